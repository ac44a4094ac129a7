import type { TestProject } from 'vitest/node'
import { type Envoy, envoyVersions, installEnvoy } from './envoy/install-envoy.ts'
import { lackOf, languages, type Probe } from './languages.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** By the language's name; a language that this machine lacks is not there. */
    probes: Readonly<Record<string, Probe>>
    /** By version; one that could not be installed is not there. */
    envoys: Readonly<Record<string, Envoy>>
  }
}

const lacks = new Map<string, string>()

/** Builds each language's probe, and says aloud which languages this machine lacks. CI may lack none. */
export async function setup(project: TestProject): Promise<void> {
  const probes: Record<string, Probe> = {}
  for (const language of languages) {
    const lack = await lackOf(language)
    if (lack === undefined) {
      const began = Date.now()
      probes[language.name] = await language.build()
      say(
        `${language.name}: ${language.library}, built in ${Math.round((Date.now() - began) / 1000)} s`,
      )
    } else lacks.set(language.name, lack)
  }
  const envoys: Record<string, Envoy> = {}
  for (const version of envoyVersions) {
    try {
      envoys[version] = await installEnvoy(version)
    } catch (error) {
      lacks.set(`envoy ${version}`, String(error))
    }
  }
  sayLacks()
  if (lacks.size > 0 && process.env['CI'] === 'true') {
    throw new Error(`in CI everything runs, but this machine lacks ${[...lacks.keys()]}`)
  }
  project.provide('probes', probes)
  project.provide('envoys', envoys)
}

/** Once more below the results, where it is read. */
export function teardown(): void {
  sayLacks()
}

function sayLacks(): void {
  for (const [name, lack] of lacks) say(`NOT RUN: ${name}, since ${lack}`)
}

function say(text: string): void {
  process.stderr.write(`interop: ${text}\n`)
}

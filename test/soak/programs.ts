import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sources } from '../interop/build-folder.ts'
import { buildGo, lackOf, languages } from '../interop/languages.ts'
import { idOf } from '../interop/stand.ts'
import type { ProgramOptions } from './fleet.ts'

/** A program of the run, and what the agent knows it by: `unix:path`. */
export interface Program extends ProgramOptions {
  readonly executable: string
}

/** Which programs there are, and how many services each of them is: 20 together. */
const shares = [
  { language: 'node', services: 6 },
  { language: 'node', services: 6 },
  { language: 'go', services: 4 },
  { language: 'python', services: 4 },
] as const

/** Those that this machine can run, built; tells which language it lacks, and why. */
export async function buildPrograms(
  onLack: (language: string, why: string) => void,
): Promise<readonly Program[]> {
  const built: Program[] = []
  for (const [at, { language, services }] of shares.entries()) {
    const found = languages.find(({ name }) => name === language)
    const lack = found === undefined ? 'nobody knows it' : await lackOf(found)
    if (lack !== undefined) {
      onLack(language, lack)
      continue
    }
    const ids = Array.from({ length: services }, (_, n) => idOf(`${language}-${at}-${n}`))
    built.push({ language, ids, ...(await build[language]()) })
  }
  return built
}

type Built = Pick<Program, 'command' | 'executable'>

const build: Readonly<Record<(typeof shares)[number]['language'], () => Promise<Built>>> = {
  async node() {
    const executable = realpathSync(process.execPath)
    return {
      command: [executable, fileURLToPath(new URL('services.ts', import.meta.url))],
      executable,
    }
  },
  async go() {
    const executable = await buildGo('services')
    return { command: [executable], executable }
  },
  async python() {
    const probe = await languages.find(({ name }) => name === 'python')?.build()
    if (probe === undefined) throw new Error('python has no probe')
    const [python = ''] = probe.command
    return {
      command: [python, join(sources, 'python/services.py')],
      executable: probe.executable,
    }
  },
}

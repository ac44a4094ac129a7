import { join } from 'node:path'
import { buildFolder, runTool, sources } from './build-folder.ts'

/** A program that speaks the contract of probe.ts. */
export interface Probe {
  readonly language: string
  /** The command and what comes before the verb. */
  readonly command: readonly string[]
  /** What the kernel says is running: `unix:path` of the workload. */
  readonly executable: string
}

export interface Language {
  readonly name: string
  /** The library that is tried, as its registry calls it. */
  readonly library: string
  /** What has to be installed, and from which version on. */
  readonly tools: readonly {
    readonly command: string
    readonly versionArgs: readonly string[]
    readonly from: readonly [number, number]
  }[]
  build(): Promise<Probe>
}

const go: Language = {
  name: 'go',
  library: 'github.com/spiffe/go-spiffe/v2',
  // From 1.21 on it fetches by itself the newer one that go.mod asks for.
  tools: [{ command: 'go', versionArgs: ['version'], from: [1, 21] }],
  async build() {
    const executable = await buildGo('probe')
    return { language: 'go', command: [executable], executable }
  },
}

/** The program `go/cmd/NAME`, built. */
export async function buildGo(name: string): Promise<string> {
  const executable = join(buildFolder('go'), name)
  await runTool('go', ['build', '-o', executable, `./cmd/${name}`], { cwd: join(sources, 'go') })
  return executable
}

/** All that take part, our own first. */
export const languages: readonly Language[] = [go]

/** Why a language cannot take part on this machine; undefined where it can. */
export async function lackOf(language: Language): Promise<string | undefined> {
  for (const { command, versionArgs, from } of language.tools) {
    let said: string
    try {
      said = await runTool(command, versionArgs)
    } catch {
      return `there is no ${command}`
    }
    const [, major = '0', minor = '0'] = /(\d+)\.(\d+)/.exec(said) ?? []
    const [fromMajor, fromMinor] = from
    const isOlder =
      Number(major) < fromMajor || (Number(major) === fromMajor && Number(minor) < fromMinor)
    if (isOlder) return `${command} ${major}.${minor} is older than ${from.join('.')}`
  }
  return undefined
}

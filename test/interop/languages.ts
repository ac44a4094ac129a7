import { copyFileSync, existsSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { buildFolder, runFetching, runTool, sources } from './build-folder.ts'

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
  await runFetching('go', ['build', '-o', executable, `./cmd/${name}`], {
    cwd: join(sources, 'go'),
  })
  return executable
}

const python: Language = {
  name: 'python',
  library: 'spiffe and spiffe-tls',
  tools: [{ command: 'python3', versionArgs: ['--version'], from: [3, 10] }],
  async build() {
    const folder = buildFolder('python')
    const requirements = join(sources, 'python/requirements.txt')
    const python = join(folder, 'bin/python')
    const installed = join(folder, 'requirements.txt')
    if (textOf(installed) !== textOf(requirements)) {
      await runTool('python3', ['-m', 'venv', folder])
      await runFetching(python, ['-m', 'pip', 'install', '--quiet', '--requirement', requirements])
      copyFileSync(requirements, installed)
    }
    return {
      language: 'python',
      command: [python, join(sources, 'python/probe.py')],
      executable: realpathSync(python),
    }
  },
}

function textOf(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

const rust: Language = {
  name: 'rust',
  library: 'the crates spiffe and spiffe-rustls',
  tools: [{ command: 'cargo', versionArgs: ['--version'], from: [1, 88] }],
  async build() {
    const folder = buildFolder('rust')
    await runFetching('cargo', ['build', '--quiet'], {
      cwd: join(sources, 'rust'),
      env: { CARGO_TARGET_DIR: folder },
    })
    const executable = join(folder, 'debug/probe')
    return { language: 'rust', command: [executable], executable }
  },
}

const java: Language = {
  name: 'java',
  library: 'io.spiffe:java-spiffe-provider',
  tools: [
    { command: 'java', versionArgs: ['--version'], from: [17, 0] },
    { command: 'javac', versionArgs: ['--version'], from: [17, 0] },
    { command: 'mvn', versionArgs: ['--version'], from: [3, 6] },
  ],
  async build() {
    const folder = buildFolder('java')
    await runFetching('mvn', ['--quiet', '--batch-mode', `-Dout=${folder}`, 'compile'], {
      cwd: join(sources, 'java'),
    })
    const home = await runTool('java', ['-XshowSettings:properties', '-version'])
    const [, path = ''] = /java\.home = (.+)/.exec(home) ?? []
    const executable = realpathSync(join(path, 'bin/java'))
    const classPath = `${join(folder, 'classes')}:${join(folder, 'lib')}/*`
    return {
      language: 'java',
      command: [executable, '-XX:TieredStopAtLevel=1', '-cp', classPath, 'probe.Probe'],
      executable,
    }
  },
}

const node: Language = {
  name: 'node',
  library: 'our own src/mtls and src/workload-api',
  tools: [],
  async build() {
    const executable = realpathSync(process.execPath)
    return { language: 'node', command: [executable, join(sources, 'node/probe.ts')], executable }
  },
}

/** All that take part. */
export const languages: readonly Language[] = [node, go, python, java, rust]

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

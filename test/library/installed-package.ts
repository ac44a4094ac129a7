import { execFile, execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Manifest {
  readonly engines: { readonly node: string }
  readonly exports: Readonly<Record<string, unknown>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly scripts?: unknown
}

export interface InstalledPackage {
  /** The folder of a program that has installed the package, and nothing else. */
  readonly folder: string
  readonly tarballBytes: number
  readonly manifest: Manifest
  /** All files of the package, relative to it. */
  readonly files: readonly string[]
  read(file: string): string
  /** Runs an ES module of this text in the folder; resolves with what it printed. */
  run(program: string, env?: NodeJS.ProcessEnv): Promise<string>
  remove(): void
}

/** Packing takes a busy machine its time, and a registry may be slow to answer: what takes longer than this hangs. */
export const PATIENCE_MS = 900_000

/** Set in CI: installs from the registry, and runs on the oldest Node that the package names. */
const fromRegistry = process.env['COUNTERSIGN_INSTALL_FROM_REGISTRY'] === '1'
const oldestNode = `node-linux-${process.arch}`

/** The package in a folder of its own, packed from this tree. */
export function installPackage(): InstalledPackage {
  const folder = mkdtempSync(join(tmpdir(), 'cs-installed-'))
  const packed = execFileSync(process.execPath, ['scripts/pack-library.mjs', folder], { cwd: root })
  const tarball = packed.toString().trim()
  const at = join(folder, 'node_modules', 'countersign')
  if (fromRegistry) npmInstall(folder, [tarball, 'undici@7', `${oldestNode}@22.13.1`])
  else installLinks(folder, tarball)
  const manifest = manifestIn(at)
  return {
    folder,
    tarballBytes: statSync(tarball).size,
    manifest,
    files: readdirSync(at, { recursive: true }).map(String),
    read: (file) => readFileSync(join(at, file), 'utf8'),
    async run(program, env = {}) {
      const { stdout } = await promisify(execFile)(
        fromRegistry ? join(folder, 'node_modules', oldestNode, 'bin/node') : process.execPath,
        ['--input-type=module', '--eval', program],
        { cwd: folder, env: { PATH: process.env['PATH'], ...env }, timeout: PATIENCE_MS },
      )
      return stdout
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** As `npm install` would leave it, without a registry: beside the package links to what it declares, peers too, and to no more. */
function installLinks(folder: string, tarball: string): void {
  const modules = join(folder, 'node_modules')
  mkdirSync(modules)
  execFileSync('tar', ['xzf', tarball, '-C', folder])
  renameSync(join(folder, 'package'), join(modules, 'countersign'))
  const { dependencies, peerDependencies } = manifestIn(join(modules, 'countersign'))
  for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
}

/** A registry may be out of reach for a moment: three tries. */
function npmInstall(folder: string, what: readonly string[]): void {
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  for (let tries = 1; ; tries += 1) {
    try {
      execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...what], {
        cwd: folder,
        stdio: ['ignore', 2, 2],
      })
      return
    } catch (error) {
      if (tries === 3) throw error
      process.stderr.write(`library: ${error}\nlibrary: tried again in 10 s\n`)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000)
    }
  }
}

function manifestIn(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
}

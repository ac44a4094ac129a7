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

/**
 * The package as `npm install` would leave it, without a registry: packed from this tree, unpacked, and
 * beside it links to those dependencies that it declares, and to no other.
 */
export function installPackage(): InstalledPackage {
  const folder = mkdtempSync(join(tmpdir(), 'cs-installed-'))
  const packed = execFileSync(process.execPath, ['scripts/pack-library.mjs', folder], { cwd: root })
  const tarball = packed.toString().trim()
  const modules = join(folder, 'node_modules')
  mkdirSync(modules)
  execFileSync('tar', ['xzf', tarball, '-C', folder])
  const at = join(modules, 'countersign')
  renameSync(join(folder, 'package'), at)
  const manifest = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as Manifest
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
  return {
    folder,
    tarballBytes: statSync(tarball).size,
    manifest,
    files: readdirSync(at, { recursive: true }).map(String),
    read: (file) => readFileSync(join(at, file), 'utf8'),
    async run(program, env = {}) {
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--input-type=module', '--eval', program],
        { cwd: folder, env: { PATH: process.env['PATH'], ...env }, timeout: 20_000 },
      )
      return stdout
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

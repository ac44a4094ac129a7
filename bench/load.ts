// What it costs to load: the installed library over an empty Node, and the command until it has shown its help,
// bundled and from source. One run of each after the other, so that all see the same machine.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installPackage } from '../test/library/installed-package.ts'
import { bounded, median, report, round, short } from './support/report.ts'

const rounds = short ? 3 : 15
const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'bench-load-'))
const installed = installPackage()

const module = (program: string): readonly string[] => ['--input-type=module', '--eval', program]
const programs = {
  empty: module(''),
  library: module(`import 'countersign'`),
  bundled: [join(folder, 'dist', 'countersign.js'), '--help'],
  source: [join(root, 'src/cli/bin.ts'), '--help'],
}

function tookMs(args: readonly string[]): number {
  const startedMs = performance.now()
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: installed.folder })
  if (status !== 0) throw new Error(stderr.toString())
  return performance.now() - startedMs
}

try {
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'))
  const build = [join(root, 'scripts/build.mjs'), join(folder, 'dist')]
  spawnSync(process.execPath, build, { stdio: 'inherit' })
  const all = { empty: [], library: [], bundled: [], source: [] } as Record<string, number[]>
  for (let at = -1; at < rounds; at++) {
    for (const [name, args] of Object.entries(programs)) {
      const ms = tookMs(args)
      // The first fills the compile cache.
      if (at >= 0) all[name]?.push(ms)
    }
  }
  const over = (name: string): number[] =>
    (all[name] ?? []).map((ms, at) => ms - (all['empty']?.[at] ?? Number.NaN))
  const emptyMs = round(median(all['empty'] ?? []))
  report('load', {
    library: bounded(median(over('library')), 60, 'ms', { over: 'an empty Node', emptyMs }),
    help: bounded(median(all['bundled'] ?? []), 150, 'ms', { emptyMs }),
    'help from source': { ours: round(median(all['source'] ?? [])), unit: 'ms', emptyMs },
  })
} finally {
  installed.remove()
  rmSync(folder, { recursive: true, force: true })
}

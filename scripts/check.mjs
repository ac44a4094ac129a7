// The gate beside the tests: format and lint, types, dead code, generated code.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const steps = [
  ['format and lint', 'biome', ['ci', '--error-on-warnings', '.']],
  ['types', 'tsc', ['--noEmit']],
  ['import direction', 'vitest', ['run', 'test/architecture']],
  ['dead code', 'knip', []],
  ['generated code', process.execPath, ['scripts/generate.mjs', '--check']],
]

let failed = false
for (const [name, command, args] of steps) {
  const done = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  console.log(`${done.status === 0 ? 'ok    ' : 'FAILED'} ${name}`)
  failed ||= done.status !== 0
}
process.exitCode = failed ? 1 : 0

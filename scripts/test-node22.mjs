// Runs tests on Node 22, the oldest line that the library is for: those of mutual TLS, or what is named.
//
//   npm run test:node22 [-- FILE ...]
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'tools', 'node22')
const node = join(folder, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')
const named = process.argv.slice(2)
const files = named.length > 0 ? named : ['test/unit/mtls', 'test/unit/rpc/workload.test.ts']

// A registry may be out of reach for a moment.
for (let tries = 1; !existsSync(node); tries += 1) {
  if (tries > 3) process.exit(1)
  if (tries > 1) await sleep(10_000)
  statusOf('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], folder)
}
process.exitCode = statusOf(node, ['node_modules/vitest/vitest.mjs', 'run', ...files], root)

function statusOf(command, args, cwd) {
  return spawnSync(command, args, { cwd, stdio: 'inherit' }).status ?? 1
}

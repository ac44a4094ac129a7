// Runs tests on Node 22, the oldest line that the library is for: those of mutual TLS, or what is named.
//
//   npm run test:node22 [-- FILE ...]
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'tools', 'node22')
const node = join(folder, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')
const named = process.argv.slice(2)
const files = named.length > 0 ? named : ['test/unit/mtls', 'test/unit/rpc/workload.test.ts']

if (!existsSync(node)) run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], folder)
run(node, ['node_modules/vitest/vitest.mjs', 'run', ...files], root)

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

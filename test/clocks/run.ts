import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

/** `npm run clocks -- --ttl N`: how many seconds the SVIDs live whose renewals are counted; 20 unless told, 60 for long. */
const { values } = parseArgs({ options: { ttl: { type: 'string', default: '20' } } })
const { status } = spawnSync('vitest', ['run', '--config', 'test/clocks/vitest.config.ts'], {
  stdio: 'inherit',
  env: { ...process.env, CLOCKS_TTL: values.ttl },
})
process.exitCode = status ?? 1

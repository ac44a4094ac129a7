import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

/** `npm run recipes -- --seconds N`: how long each program has to do without a failed handshake; 10 unless told. */
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '10' } } })
const { status } = spawnSync('vitest', ['run', '--config', 'test/recipes/vitest.config.ts'], {
  stdio: 'inherit',
  env: { ...process.env, RECIPE_SECONDS: values.seconds },
})
process.exitCode = status ?? 1

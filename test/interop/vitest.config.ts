import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** `npm run interop`: software that others wrote against a real server and agent. Not part of `npm test`. */
const config: ViteUserConfig = defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/interop/*.interop.ts'],
    globalSetup: 'test/interop/setup.ts',
    reporters: ['verbose'],
    // For what hangs, not for what is slow.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    pool: 'forks',
    // One after the other: a machine with two cores has no third for a proxy whose SVID lives for seconds.
    maxWorkers: 1,
  },
})

export default config

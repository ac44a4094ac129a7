import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** `npm run clocks`: processes whose wall clocks jump (T20). Not part of `npm test`. */
const config: ViteUserConfig = defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/clocks/*.clocks.ts'],
    reporters: ['verbose'],
    // Each of them has a dozen processes; side by side they would wait for each other.
    fileParallelism: false,
    testTimeout: 900_000,
    hookTimeout: 300_000,
  },
})

export default config

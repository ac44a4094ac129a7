import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** `npm run recipes`: the programs of docs/recipes.md, while SVIDs change. Not part of `npm test`. */
const config: ViteUserConfig = defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/recipes/*.recipe.ts'],
    reporters: ['verbose'],
    hookTimeout: 120_000,
  },
})

export default config

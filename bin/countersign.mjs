#!/usr/bin/env node
// The command as installed: refuses an older Node in one clear line before anything newer is parsed.
const [major, minor] = process.versions.node.split('.').map(Number)
if (!(major >= 24 || (major === 22 && minor >= 18))) {
  console.error(`countersign needs Node 22.18, 24 or newer; this is ${process.version}`)
  console.error(
    '  fix: in a checkout, "npx countersign" runs it with the Node that "npm start" has brought',
  )
  process.exit(78)
}
const { existsSync } = await import('node:fs')
// `npm run build` makes it; without it the source runs as it is.
const built = new URL('../dist/countersign.js', import.meta.url)
await import(existsSync(built) ? built.href : new URL('../src/cli/bin.ts', import.meta.url).href)

// A server in a process of its own. Argument: { folder }. The line `usage` is answered with what it holds.
import { enableCompileCache } from 'node:module'
import { argument, onLine, say } from './support/child.ts'
import { usage } from './support/usage.ts'

// As the command does it; before anything large is loaded.
enableCompileCache()
const { startServer } = await import('../test/support/running-server.ts')

const plenty = { perSecond: 10_000_000, burst: 10_000_000 }

const { folder } = argument<{ readonly folder: string }>()
const server = await startServer({
  folder,
  // What is measured is how fast it can, not how fast one caller may.
  overrides: { rateLimits: { attest: plenty, sign: plenty, call: plenty } },
})
say({
  address: server.address,
  adminSocket: server.config.adminSocket,
  // Since the process began, Node's own start and all imports with it.
  readyMs: performance.now(),
})
onLine(() => say(usage()))
process.once('SIGTERM', () => void server.stop().then(() => process.exit()))

// An agent in a process of its own. Argument: { folder, address, token }. The line `usage` is answered
// with what it holds.
import { Secret } from '../src/runtime/secret.ts'
import { startAgent } from '../test/support/running-agent.ts'
import { argument, onLine, say } from './support/child.ts'
import { usage } from './support/usage.ts'

const { token, ...server } = argument<{
  readonly folder: string
  readonly address: string
  readonly token: string
}>()
const agent = await startAgent(
  { ...server, admin: () => Promise.reject(new Error('the token is given')) as never },
  { token: async () => new Secret(token) },
)
say({ socket: agent.socket })
onLine(() => say(usage()))
process.once('SIGTERM', () => void agent.stop().then(() => process.exit()))

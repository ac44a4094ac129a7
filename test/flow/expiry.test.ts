import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient } from '../../src/rpc/client.ts'
import { reasonOf } from '../support/reason-of.ts'
import { mint, type RunningServer, startServer } from '../support/running-server.ts'

/** Time to do what one can with an SVID that is good, on a machine that is busy. */
const ttlSeconds = 6
let server: RunningServer

beforeAll(async () => {
  server = await startServer({ overrides: { agentTtlSeconds: ttlSeconds } })
})

afterAll(() => server.remove())

test('T27 a connection that outlives the SVID it was made with can do nothing more', async () => {
  const agent = await server.joinAgent()
  const agentChannel = server.dial(agent)
  const workloadChannel = server.dial(await mint(server, '/web', ttlSeconds))
  const follow = createClient('countersign.sync.v1.Sync', agentChannel).bidi('Follow')
  follow.send({ log_id: '', applied: 0 })
  const stream = follow.responses[Symbol.asyncIterator]()
  expect((await stream.next()).done).toBe(false)
  const ask = () =>
    createClient('spire.api.server.entry.v1.Entry', agentChannel).unary('GetAuthorizedEntries', {})
  expect(await reasonOf(ask())).toBe('accepted')
  // The stream is cut by the server when the SVID ends: that is the moment to ask again.
  expect(
    await reasonOf(
      (async () => {
        while ((await stream.next()).done !== true);
      })(),
    ),
  ).toBe('svid-expired')
  expect(await reasonOf(ask())).toBe('agent-expired')
  const list = createClient('spire.api.server.entry.v1.Entry', workloadChannel)
  expect(await reasonOf(list.unary('ListEntries', {}))).toMatch(/svid-expired|access-denied|tls/)
})

test('X509-24 a client that shows an expired SVID is refused in the handshake', async () => {
  const agent = await server.joinAgent()
  const dead = server.dial(agent)
  await new Promise((resolve) => setTimeout(resolve, ttlSeconds * 1000 + 100))
  expect(
    await reasonOf(
      createClient('spire.api.server.entry.v1.Entry', dead).unary('GetAuthorizedEntries', {}),
    ),
  ).not.toBe('accepted')
})

import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { listenTls } from '../../../src/mtls/handshake.ts'
import { createClient } from '../../../src/rpc/client.ts'
import { dialTls } from '../../../src/rpc/dial.ts'
import { unary } from '../../../src/rpc/handler.ts'
import { createRpcServer } from '../../../src/rpc/server.ts'
import { serviceDefinition } from '../../../src/rpc/services.ts'
import { silentLog } from '../../../src/runtime/log.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { freePort } from '../../support/free-port.ts'
import { identity, type TestIdentity, testAuthorities } from '../mtls/identities.ts'
import { failureOf } from './harness.ts'

const serverId = SpiffeId.parse('spiffe://example.org/server')
const serving = { status: 'SERVING' } as const
let shown: TestIdentity

beforeAll(async () => {
  const { ours } = await testAuthorities()
  shown = await identity(ours, serverId)
})

async function start(port: number): Promise<{ port: number; stop(): Promise<void> }> {
  const server = createRpcServer<object, object>({
    guard: (peer) => peer,
    maxReceiveBytes: 65_536,
    maxStreamsPerConnection: 100,
    log: silentLog,
  })
  server.addService(serviceDefinition('grpc.health.v1.Health'), { Check: unary(() => serving) })
  const listener = await listenTls<object>({
    host: '127.0.0.1',
    port,
    identity: () => shown,
    verifyClient: () => ({}),
    onConnection: (socket, peer) => server.accept(socket, peer),
    handshakeTimeoutMs: 5000,
  })
  const stop = async (): Promise<void> => {
    await listener.close()
    await server.close(0)
  }
  onTestFinished(stop)
  return { port: listener.address.port, stop }
}

test.each([
  ['a short outage', 300],
  // By then the pauses between attempts have grown to the longest.
  ['a long outage', 7000],
])('after %s of %i ms a channel comes back by itself', { timeout: 60_000 }, async (_, outageMs) => {
  const first = await start(await freePort())
  const channel = dialTls({
    address: `127.0.0.1:${first.port}`,
    verifyPeer: () => serverId,
    log: silentLog,
  })
  onTestFinished(() => channel.close())
  const client = createClient('grpc.health.v1.Health', channel)
  expect(await client.unary('Check', {})).toEqual(serving)
  await first.stop()
  const check = (timeoutMs = 1000) => client.unary('Check', {}, { timeoutMs })
  expect(await failureOf(check(30_000))).toMatchObject({ code: 'unavailable' })
  const downAt = performance.now()
  await expect
    .poll(() => check().catch(() => performance.now() - downAt), {
      interval: 50,
      timeout: outageMs + 20_000,
    })
    .toBeGreaterThan(outageMs)
  await start(first.port)
  await expect.poll(() => check().catch(() => undefined), { interval: 50 }).toEqual(serving)
})

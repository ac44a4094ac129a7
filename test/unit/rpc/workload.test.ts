import { once } from 'node:events'
import {
  Client,
  type ClientReadableStream,
  connectivityState,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { createChannelCredentials } from '../../../src/rpc/workload-channel.ts'
import { peerOf, serveMtls } from '../../../src/rpc/workload-server.ts'
import { matchId, matchPath } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../src/svid/x509-svid.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { bundleOf, type Made, NOW, reasonOf, root } from '../../support/x509-fixtures.ts'
import { svidOf, TestSource } from '../mtls/test-source.ts'

const serverId = SpiffeId.parse('spiffe://here.test/server')
const lifeMs = 60_000
const path = '/test.Who/AmI'
const streamPath = '/test.Who/Watch'
const bytes = (value: Buffer): Buffer => value
let ca: Made
let foreignCa: Made
let server: X509Svid
let client: X509Svid

beforeAll(async () => {
  ca = await root('ca')
  foreignCa = await root('ca')
  server = await svidOf(ca, serverId)
  client = await svidOf(ca, 'spiffe://here.test/client', {
    notAfter: new Date(NOW.getTime() + lifeMs),
  })
})

const codec = {
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
}
const service: ServiceDefinition = {
  amI: { path, requestStream: false, responseStream: false, ...codec },
  watch: { path: streamPath, requestStream: false, responseStream: true, ...codec },
}

type Unary = ServerUnaryCall<Buffer, Buffer>

interface Service {
  readonly port: number
  readonly source: TestSource
  readonly clock: FakeClock
  /** Whose were begun. */
  readonly connections: readonly string[]
  readonly called: string[]
}

function who(called: string[]): Server {
  const grpc = new Server()
  grpc.addService(service, {
    amI(call: Unary, answer: sendUnaryData<Buffer>) {
      called.push(reasonOf(() => peerOf(call)))
      answer(null, Buffer.from(peerOf(call).spiffeId))
    },
    watch(call: ServerWritableStream<Buffer, Buffer>) {
      call.write(Buffer.from(peerOf(call).spiffeId))
    },
  })
  return grpc
}

async function serve(): Promise<Service> {
  const called: string[] = []
  const source = new TestSource(server, bundleOf('here.test', ca))
  const clock = new FakeClock(NOW)
  const connections: string[] = []
  const authorize = matchPath(TrustDomain.parse('here.test'), (name) => {
    connections.push(name)
    return name !== '/stranger'
  })
  const listener = await serveMtls(who(called), {
    source,
    authorize,
    clock,
    host: '127.0.0.1',
    port: 0,
  })
  onTestFinished(() => listener.close())
  return { port: listener.address.port, source, clock, connections, called }
}

function dial(port: number, shown: X509Svid, expected = serverId): Client {
  const source = new TestSource(shown, bundleOf('here.test', ca))
  const credentials = createChannelCredentials({
    source,
    authorize: matchId(expected),
    clock: new FakeClock(NOW),
  })
  const channel = new Client(`127.0.0.1:${port}`, credentials)
  onTestFinished(() => channel.close())
  return channel
}

/** The answer, or the status code. */
function ask(channel: Client): Promise<string | number> {
  return new Promise((resolve) =>
    channel.makeUnaryRequest(path, bytes, bytes, Buffer.of(), (error, answer) =>
      resolve(error === null ? String(answer) : error.code),
    ),
  )
}

function watch(channel: Client): ClientReadableStream<Buffer> {
  return channel.makeServerStreamRequest(streamPath, bytes, bytes, Buffer.of())
}

test('a handler learns who calls, and each caller is told apart', async () => {
  const { port } = await serve()
  const other = await svidOf(ca, 'spiffe://here.test/other')
  const [first, second] = [dial(port, client), dial(port, other)]
  expect(await Promise.all([ask(first), ask(second), ask(first)])).toEqual([
    client.spiffeId,
    other.spiffeId,
    client.spiffeId,
  ])
})

test('a client that is not let in, or a server that is not meant, gets no call through', async () => {
  const { port, called } = await serve()
  const forged = await svidOf(foreignCa, 'spiffe://here.test/client')
  const stranger = await svidOf(ca, 'spiffe://here.test/stranger')
  expect(await ask(dial(port, forged))).toBe(status.UNAVAILABLE)
  expect(await ask(dial(port, stranger))).toBe(status.UNAVAILABLE)
  const elsewhere = SpiffeId.parse('spiffe://here.test/elsewhere')
  expect(await ask(dial(port, client, elsewhere))).toBe(status.UNAVAILABLE)
  expect(called).toEqual([])
})

test('a renewed SVID is shown to the next connection, and a stream that is open goes on', async () => {
  const { port, source } = await serve()
  const before = watch(dial(port, client))
  const [greeting] = await once(before, 'data')
  expect(String(greeting)).toBe(client.spiffeId)
  source.replace(await svidOf(ca, 'spiffe://here.test/renewed'))
  const renewed = dial(port, client, SpiffeId.parse('spiffe://here.test/renewed'))
  expect(await ask(renewed)).toBe(client.spiffeId)
  expect(before.readableEnded).toBe(false)
  before.cancel()
  await once(before, 'error')
})

test('a connection that is near its end serves its calls, and the next one comes by another', async () => {
  const { port, clock, connections } = await serve()
  const channel = dial(port, client)
  expect(await ask(channel)).toBe(client.spiffeId)
  await clock.advance(lifeMs / 2)
  expect(await ask(channel)).toBe(client.spiffeId)
  expect(connections).toHaveLength(1)
  await expect
    .poll(() => channel.getChannel().getConnectivityState(false))
    .toBe(connectivityState.IDLE)
  expect(await ask(channel)).toBe(client.spiffeId)
  expect(connections).toHaveLength(2)
})

test("T27 a stream ends by the time that the caller's SVID does, and when its authority is revoked", async () => {
  const { port, clock, source } = await serve()
  const expiring = watch(dial(port, client))
  await once(expiring, 'data')
  const ended = once(expiring, 'error')
  await clock.advance(lifeMs)
  expect((await ended)[0]).toMatchObject({ code: status.UNAVAILABLE })
  const long = watch(dial(port, await svidOf(ca, 'spiffe://here.test/long')))
  await once(long, 'data')
  const cut = once(long, 'error')
  source.trust(bundleOf('here.test', foreignCa))
  expect((await cut)[0]).toMatchObject({ code: status.UNAVAILABLE })
})

test('a call by another door of the same server has no peer', async () => {
  const called: string[] = []
  const grpc = who(called)
  const port = await new Promise<number>((resolve) =>
    grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => resolve(bound)),
  )
  onTestFinished(() => grpc.forceShutdown())
  const { credentials } = await import('@grpc/grpc-js')
  const plain = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  onTestFinished(() => plain.close())
  expect(await ask(plain)).toBe(status.UNKNOWN)
  expect(called).toEqual(['peer-unchecked'])
})

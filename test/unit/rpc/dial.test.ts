import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, connect as netConnect, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { listenTls, type TlsListener } from '../../../src/mtls/handshake.ts'
import { createClient } from '../../../src/rpc/client.ts'
import { type DialTlsOptions, dialTls, dialUnix, type RpcChannel } from '../../../src/rpc/dial.ts'
import { bidiStream, serverStream, unary } from '../../../src/rpc/handler.ts'
import { createRpcServer } from '../../../src/rpc/server.ts'
import { serviceDefinition } from '../../../src/rpc/services.ts'
import { silentLog } from '../../../src/runtime/log.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { identity, type TestIdentity, testAuthorities } from '../mtls/identities.ts'
import { failureOf, serve, signalled } from './harness.ts'

const serverId = SpiffeId.parse('spiffe://example.org/server')
const serving = { status: 'SERVING' } as const
let shown: TestIdentity
let first: TestIdentity
let second: TestIdentity

beforeAll(async () => {
  const { ours } = await testAuthorities()
  shown = await identity(ours, serverId)
  first = await identity(ours, 'spiffe://example.org/first')
  second = await identity(ours, 'spiffe://example.org/second')
})

interface Peer {
  readonly leaf: Buffer | undefined
}

interface Running {
  readonly listener: TlsListener
  readonly sockets: Socket[]
  readonly peers: Peer[]
}

/** A server whose Check answers at once and whose Follow stays open. */
async function run(verifyClient: (chain: readonly Buffer[]) => Peer): Promise<Running> {
  const sockets: Socket[] = []
  const peers: Peer[] = []
  const server = createRpcServer<Peer, Peer>({
    guard: (peer) => peer,
    maxReceiveBytes: 65_536,
    maxStreamsPerConnection: 100,
    log: silentLog,
  })
  server.addService(serviceDefinition('grpc.health.v1.Health'), {
    Check: unary(() => serving),
  })
  server.addService(serviceDefinition('countersign.sync.v1.Sync'), {
    Follow: bidiStream(async function* (requests: AsyncIterable<unknown>) {
      yield {}
      for await (const _ of requests) yield {}
    }),
  })
  const listener = await listenTls<Peer>({
    host: '127.0.0.1',
    port: 0,
    identity: () => shown,
    verifyClient,
    onConnection: (socket, peer) => {
      sockets.push(socket)
      peers.push(peer)
      server.accept(socket, peer)
    },
    handshakeTimeoutMs: 5000,
  })
  onTestFinished(async () => {
    await server.close(0)
    await listener.close()
  })
  return { listener, sockets, peers }
}

function dial(port: number, options: Partial<DialTlsOptions> = {}): RpcChannel {
  const channel = dialTls({
    address: `127.0.0.1:${port}`,
    identity: () => first,
    verifyPeer: () => serverId,
    log: silentLog,
    ...options,
  })
  onTestFinished(() => channel.close())
  return channel
}

const check = (channel: RpcChannel, timeoutMs = 5000) =>
  createClient('grpc.health.v1.Health', channel).unary('Check', {}, { timeoutMs })

const anybody = (chain: readonly Buffer[]): Peer => ({ leaf: chain[0] })

describe('over TLS', () => {
  test('calls share one connection, on which the server knows the client', async () => {
    const { listener, peers } = await run(anybody)
    const channel = dial(listener.address.port)
    const calls = await Promise.all(Array.from({ length: 50 }, () => check(channel)))
    expect(calls).toHaveLength(50)
    expect(peers).toEqual([{ leaf: first.leaf }])
  })

  test('a client may go without a certificate', async () => {
    const { listener, peers } = await run(anybody)
    expect(await check(dial(listener.address.port, { identity: () => undefined }))).toEqual(serving)
    expect(peers).toEqual([{ leaf: undefined }])
  })

  test('each new connection shows the identity of the moment', async () => {
    const { listener, peers, sockets } = await run(anybody)
    let mine = first
    const channel = dial(listener.address.port, { identity: () => mine })
    await check(channel)
    mine = second
    await check(channel)
    sockets[0]?.destroy()
    await expect.poll(() => check(channel).catch(() => undefined)).toEqual(serving)
    expect(peers).toEqual([{ leaf: first.leaf }, { leaf: second.leaf }])
  })

  test('why a server was refused reaches the caller, and the server sees no call', async () => {
    const { listener, peers } = await run(anybody)
    let trusted = false
    const channel = dial(listener.address.port, {
      verifyPeer: (chain) => {
        expect(chain).toEqual(shown.chain)
        if (trusted) return serverId
        throw new CountersignError('unauthenticated', 'no such CA', { reason: 'svid-untrusted' })
      },
    })
    expect(await failureOf(check(channel))).toMatchObject({
      code: 'unavailable',
      reason: 'svid-untrusted',
      message: 'no such CA',
    })
    expect(peers.length).toBeLessThanOrEqual(1)
    trusted = true
    await expect.poll(() => check(channel).catch(() => undefined)).toEqual(serving)
  })

  test('a client that the server refuses is told that it has no connection', async () => {
    const { listener } = await run(() => {
      throw new CountersignError('unauthenticated', 'unknown', { reason: 'svid-unknown' })
    })
    expect(await failureOf(check(dial(listener.address.port)))).toMatchObject({
      code: 'unavailable',
    })
  })

  test('nobody listening is told apart from a server that cannot be trusted', async () => {
    const { listener } = await run(anybody)
    const { port } = listener.address
    await listener.close()
    expect(await failureOf(check(dial(port)))).toMatchObject({ reason: 'connection-refused' })
  })

  test('a host name without an address is told apart', async () => {
    const channel = dial(0, { address: 'no-such-host.invalid:443' })
    expect(await failureOf(check(channel))).toMatchObject({ reason: 'name-unresolved' })
  })

  test('a proxy of the environment has no part in it', async () => {
    const { listener } = await run(anybody)
    for (const name of ['grpc_proxy', 'https_proxy', 'http_proxy']) {
      process.env[name] = 'http://127.0.0.1:1'
      onTestFinished(() => void delete process.env[name])
    }
    expect(await check(dial(listener.address.port))).toEqual(serving)
  })

  test('a peer that falls silent is noticed while a stream is open', async () => {
    const { listener } = await run(anybody)
    const { port, fallSilent } = await silentProxy(listener.address.port)
    const channel = dial(port, { keepaliveMs: 1000, keepaliveTimeoutMs: 1000 })
    const call = createClient('countersign.sync.v1.Sync', channel).bidi('Follow')
    const responses = call.responses[Symbol.asyncIterator]()
    await responses.next()
    fallSilent()
    expect(await failureOf(responses.next())).toMatchObject({ code: 'unavailable' })
  })

  test('an attempt into a void is given up, so that the end of an outage is noticed', async () => {
    const port = await deafPort()
    const channel = dial(port, { connectTimeoutMs: 100 })
    const before = channel.client
    expect(await failureOf(check(channel, 30_000))).toMatchObject({ code: 'unavailable' })
    expect(channel.client).not.toBe(before)
  })

  test('a closed channel begins no call; what runs may end', async () => {
    const { listener } = await run(anybody)
    const channel = dial(listener.address.port)
    const call = createClient('countersign.sync.v1.Sync', channel).bidi('Follow')
    const responses = call.responses[Symbol.asyncIterator]()
    await responses.next()
    channel.close()
    expect(await failureOf(check(channel))).toMatchObject({ reason: 'channel-closed' })
    call.send({})
    expect((await responses.next()).done).toBe(false)
    call.end()
    expect((await responses.next()).done).toBe(true)
  })
})

describe('over a Unix socket', () => {
  test.each([
    ['a relative path', 'run/agent.sock'],
    ['a path with a zero byte', '/run/a\0b'],
    ['a path that the kernel would cut', `/${'x'.repeat(107)}`],
  ])('%s is refused', (_, path) => {
    expect(() => dialUnix(path)).toThrow(
      expect.objectContaining({ reason: 'socket-path', fix: expect.any(String) }),
    )
  })

  test('no socket, and a socket that nobody listens on, are told apart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-dial-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const absent = dialUnix(join(folder, 'absent.sock'))
    onTestFinished(() => absent.close())
    expect(await failureOf(check(absent))).toMatchObject({
      reason: 'socket-absent',
      message: `there is no socket ${join(folder, 'absent.sock')}`,
    })
    const path = join(folder, 'stale.sock')
    const child = spawn(process.execPath, [
      '-e',
      `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
    ])
    await once(child, 'exit')
    const stale = dialUnix(path)
    onTestFinished(() => stale.close())
    expect(await failureOf(check(stale))).toMatchObject({
      reason: 'connection-refused',
      message: `nobody listens at ${path}`,
    })
  })

  test('what a server says about a connection of its own is not taken for ours', async () => {
    const { server, dial: dialServed } = await serve()
    server.addService(serviceDefinition('grpc.health.v1.Health'), {
      Check: unary(() => {
        throw new CountersignError('unavailable', 'the store said ECONNREFUSED', {
          reason: 'store-unwritable',
          retryAfterMs: 1500,
        })
      }),
    })
    expect(await failureOf(check(dialServed()))).toMatchObject({
      reason: 'store-unwritable',
      retryAfterMs: 1500,
    })
  })

  test('an aborted signal throws its reason, before the call as in the midst of it', async () => {
    const { server, dial: dialServed } = await serve()
    const begun = signalled()
    server.addService(serviceDefinition('grpc.health.v1.Health'), {
      Watch: serverStream(async function* (_: unknown, { signal }) {
        yield serving
        begun.resolve()
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      }),
    })
    const client = createClient('grpc.health.v1.Health', dialServed())
    const reason = new Error('enough')
    const aborted = AbortSignal.abort(reason)
    expect(await failureOf(client.unary('Check', {}, { signal: aborted }))).toBe(reason)
    const abort = new AbortController()
    const stream = client
      .serverStream('Watch', {}, { signal: abort.signal })
      [Symbol.asyncIterator]()
    await stream.next()
    await begun.promise
    abort.abort(reason)
    expect(await failureOf(stream.next())).toBe(reason)
  })

  test('an RPC is called by its own shape only', async () => {
    const { dial: dialServed } = await serve()
    const client = createClient('grpc.health.v1.Health', dialServed())
    expect(() => client.unary('Watch', {})).toThrow(TypeError)
  })
})

async function listening(server: Server): Promise<number> {
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as { port: number }).port
}

/** Passes bytes on until it is told to swallow them. */
async function silentProxy(target: number): Promise<{ port: number; fallSilent(): void }> {
  const sockets: Socket[] = []
  const port = await listening(
    createServer((near) => {
      const far = netConnect(target, '127.0.0.1')
      sockets.push(near, far)
      for (const socket of [near, far]) {
        socket.on('error', () => {})
        onTestFinished(() => void socket.destroy())
      }
      near.pipe(far)
      far.pipe(near)
    }),
  )
  return {
    port,
    fallSilent: () => {
      for (const socket of sockets) socket.unpipe().pause()
    },
  }
}

/** A port whose owner is stopped and whose queue is full: the kernel drops every further SYN. */
async function deafPort(): Promise<number> {
  const child = spawn(process.execPath, [
    '-e',
    `const s = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 },
      () => { console.log(s.address().port); process.kill(process.pid, 'SIGSTOP') })`,
  ])
  onTestFinished(() => void child.kill('SIGKILL'))
  const [line] = await once(child.stdout, 'data')
  const port = Number(String(line).trim())
  for (let i = 0; i < 4; i += 1) {
    const socket = netConnect(port, '127.0.0.1')
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
  }
  return port
}

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as netConnect, type Socket } from 'node:net'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { TlsIdentity } from '../../../src/mtls/context.ts'
import {
  connectTls,
  type ListenTlsOptions,
  listenTls,
  type TlsListener,
} from '../../../src/mtls/handshake.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { extension } from '../../../src/x509/encode.ts'
import { certificateDer, party, reasonOfAsync } from '../../support/x509-fixtures.ts'
import { identity, type TestIdentity, testAuthorities } from './identities.ts'

let server: TestIdentity
let client: TestIdentity
let ca: Buffer

beforeAll(async () => {
  const { ours } = await testAuthorities()
  ca = ours.der
  server = await identity(ours, 'spiffe://example.org/server')
  client = await identity(ours, 'spiffe://example.org/client')
})

async function listen(
  options: Partial<ListenTlsOptions<readonly Buffer[]>> = {},
): Promise<TlsListener> {
  const listener = await listenTls<readonly Buffer[]>({
    host: '127.0.0.1',
    port: 0,
    identity: () => server,
    verifyClient: (chain) => chain,
    onConnection: (socket) => socket.write('in'),
    handshakeTimeoutMs: 20_000,
    ...options,
  })
  onTestFinished(() => listener.close())
  return listener
}

async function tcp(port: number): Promise<Socket> {
  const socket = netConnect(port, '127.0.0.1')
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket.resume()
}

async function dial(port: number, shown: TlsIdentity = client): Promise<TLSSocket> {
  const socket = await connectTls({
    socket: netConnect(port, '127.0.0.1'),
    identity: shown,
    verifyServer: () => {},
    handshakeTimeoutMs: 10_000,
  })
  onTestFinished(() => void socket.destroy())
  return socket
}

async function isIn(socket: TLSSocket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('data', () => resolve(true))
    socket.once('close', () => resolve(false))
  })
}

/** Records (RFC 8446 §5.1) with the first 48 KiB of a ClientHello of 100 kB (§4). */
const unfinishedHello: Buffer = Buffer.concat(
  [0, 1, 2].map((at) => {
    const record = Buffer.alloc(5 + 16_384)
    record.set([22, 3, 1, 64, 0])
    if (at === 0) record.set([1, 1, 134, 160], 5)
    return record
  }),
)

const chainOf = (length: number): TestIdentity => ({
  ...client,
  chain: [client.leaf, ...Array<Buffer>(length - 1).fill(ca)],
})

/** As many authorities behind the client, each somewhat larger than it says. */
async function chainOfBytes(count: number, bytes: number): Promise<TestIdentity> {
  const filling = extension('1.3.6.1.4.1.99999.1', Buffer.alloc(bytes))
  const large = await party('large')
  const der = await certificateDer(large, large, { ca: true, extra: [filling] })
  return { ...client, chain: [client.leaf, ...Array<Buffer>(count).fill(der)] }
}

describe('T12 caps', () => {
  test('over the cap on connections nobody comes in; one that leaves makes room', async () => {
    const listener = await listen({ maxConnections: 2 })
    const { port } = listener.address
    const [first, second] = [await dial(port), await dial(port)]
    expect(await Promise.all([isIn(first), isIn(second)])).toEqual([true, true])
    expect(await reasonOfAsync(() => dial(port))).toBe('tls-handshake')
    first.destroy()
    await expect.poll(() => reasonOfAsync(() => dial(port))).toBe('ok')
  })

  test('two hundred silent connections do not keep an honest client out', async () => {
    const listener = await listen({ maxHandshakes: 16 })
    const { port } = listener.address
    const silent = await Promise.all(Array.from({ length: 200 }, () => tcp(port)))
    expect(await isIn(await dial(port))).toBe(true)
    await expect.poll(() => silent.filter(({ destroyed }) => destroyed).length).toBe(185)
  })

  test('large handshakes that do not end give way to small ones', async () => {
    const listener = await listen()
    const { port } = listener.address
    const small = await tcp(port)
    const large = await Promise.all(Array.from({ length: 60 }, () => tcp(port)))
    for (const socket of large) socket.write(unfinishedHello)
    const left = () => large.filter(({ destroyed }) => !destroyed).length
    await expect.poll(left).toBeLessThanOrEqual((2 << 20) / unfinishedHello.length)
    expect(await isIn(await dial(port))).toBe(true)
    expect([small.destroyed, left() > 30]).toEqual([false, true])
  })

  test('silent connections of one address leave another address its share', async () => {
    const listener = await listen({ maxConnectionsPerAddress: 3 })
    const { port } = listener.address
    await Promise.all([tcp(port), tcp(port), tcp(port)])
    const third = await tcp(port)
    if (!third.destroyed) await once(third, 'close')
    const elsewhere = netConnect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' })
    const socket = await connectTls({
      socket: elsewhere,
      identity: client,
      verifyServer: () => {},
      handshakeTimeoutMs: 10_000,
    })
    onTestFinished(() => void socket.destroy())
    expect(await isIn(socket)).toBe(true)
  })

  test('the deadline is counted by the clock, from the accept to the end of the check', async () => {
    const clock = new FakeClock()
    const listener = await listen({
      clock,
      verifyClient: () => new Promise<never>(() => {}),
    })
    const { port } = listener.address
    const silent = await tcp(port)
    const unchecked = await dial(port)
    unchecked.resume()
    // The third looks at what they have sent.
    await expect.poll(() => clock.sleeping).toBe(3)
    await clock.advance(19_999)
    expect([silent.destroyed, unchecked.destroyed]).toEqual([false, false])
    const gone = Promise.all([once(silent, 'close'), once(unchecked, 'close')])
    await clock.advance(1)
    await gone
    expect(clock.sleeping).toBe(0)
  })

  test('a connection that ended leaves no timer behind', async () => {
    const clock = new FakeClock()
    const listener = await listen({ clock })
    const socket = await dial(listener.address.port)
    await expect.poll(() => clock.sleeping).toBe(1)
    socket.destroy()
    await expect.poll(() => clock.sleeping).toBe(0)
  })
})

describe('T12 the length of a chain', () => {
  test.each([
    ['ten certificates', async () => chainOf(10)],
    // Ten of RSA-4096 have some 20 KB.
    ['30 KB', () => chainOfBytes(9, 3000)],
  ])('%s are read, each as it was sent', async (_, made) => {
    let seen: readonly Buffer[] = []
    const listener = await listen({
      verifyClient: (chain) => {
        seen = chain
        return chain
      },
    })
    const long = await made()
    expect(await isIn(await dial(listener.address.port, long))).toBe(true)
    expect(seen).toEqual(long.chain)
  })

  test.each([
    ['eleven certificates', async () => chainOf(11)],
    ['more than 32 KiB in ten', () => chainOfBytes(9, 4000)],
    ['more than 32 KiB in two', () => chainOfBytes(1, 33_000)],
  ])('%s are refused before the check is asked', async (_, made) => {
    let asked = 0
    const listener = await listen({
      verifyClient: (chain) => {
        asked += 1
        return chain
      },
    })
    expect(await isIn(await dial(listener.address.port, await made()))).toBe(false)
    expect(asked).toBe(0)
  })

  test.each([
    ['eleven certificates', async () => chainOf(11)],
    ['more than 32 KiB in ten', () => chainOfBytes(9, 4000)],
  ])('%s of a server are refused by the client', async (_, made) => {
    const long = await made()
    const listener = await listen({ identity: () => long })
    expect(await reasonOfAsync(() => dial(listener.address.port))).toBe('peer-chain-too-long')
  })
})

describe('a server that offers less', () => {
  /** A server of node:tls alone, for what `listenTls` would not do; it counts what it is sent. */
  async function weakServer(options: TlsOptions): Promise<{ port: number; got: Buffer[] }> {
    const got: Buffer[] = []
    const weak = createServer(
      {
        cert: new X509Certificate(server.leaf).toString(),
        key: createPrivateKey({ key: server.privateKey, format: 'der', type: 'pkcs8' })
          .export({ format: 'pem', type: 'pkcs8' })
          .toString(),
        ALPNProtocols: ['h2'],
        ...options,
      },
      (socket) => {
        socket.on('error', () => {})
        socket.on('data', (data) => got.push(data))
      },
    )
    onTestFinished(() => void weak.close())
    weak.listen(0, '127.0.0.1')
    await once(weak, 'listening')
    return { port: (weak.address() as { port: number }).port, got }
  }

  test('one with TLS 1.2 only is no server', async () => {
    const { port } = await weakServer({ maxVersion: 'TLSv1.2' })
    expect(await reasonOfAsync(() => dial(port))).toBe('tls-handshake')
  })

  test('one that does not speak HTTP/2 is refused, and gets no byte', async () => {
    const { port, got } = await weakServer({ ALPNProtocols: [] })
    expect(await reasonOfAsync(() => dial(port))).toBe('peer-alpn')
    expect(got).toEqual([])
  })

  test('one that hands out session tickets sees each connection anew', async () => {
    const { port } = await weakServer({})
    const reused: boolean[] = []
    for (let i = 0; i < 3; i += 1) reused.push((await dial(port)).isSessionReused())
    expect(reused).toEqual([false, false, false])
  })
})

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, connect as netConnect, type Socket } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import type { TlsIdentity } from '../../../src/mtls/context.ts'
import {
  connectTls,
  type ListenTlsOptions,
  listenTls,
  type TlsListener,
} from '../../../src/mtls/handshake.ts'
import { identity, type TestIdentity, testAuthorities } from './identities.ts'

let server: TestIdentity
let client: TestIdentity
let other: TestIdentity
let foreign: TestIdentity
let unrelated: Buffer

beforeAll(async () => {
  const authorities = await testAuthorities()
  unrelated = authorities.foreign.der
  server = await identity(authorities.ours, 'spiffe://example.org/server')
  other = await identity(authorities.ours, 'spiffe://example.org/server-2')
  client = await identity(authorities.ours, 'spiffe://example.org/client', [
    unrelated,
    authorities.ours.der,
  ])
  foreign = await identity(authorities.foreign, 'spiffe://example.org/client')
})

/** Of a handshake that is to succeed: what takes longer hangs. */
const patienceMs = 60_000

type Options = Partial<ListenTlsOptions<readonly Buffer[]>>

async function listen(options: Options = {}): Promise<TlsListener> {
  const listener = await listenTls<readonly Buffer[]>({
    host: '127.0.0.1',
    port: 0,
    identity: () => server,
    verifyClient: (chain) => chain,
    onConnection: (socket) => socket.pipe(socket),
    handshakeTimeoutMs: patienceMs,
    ...options,
  })
  onTestFinished(() => listener.close())
  return listener
}

async function tcp({ address }: TlsListener): Promise<Socket> {
  const socket = netConnect(address.port, '127.0.0.1')
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

async function dial(
  listener: TlsListener,
  shown: TlsIdentity | undefined,
  verifyServer: (chain: readonly Buffer[]) => unknown = () => {},
): Promise<TLSSocket> {
  return connectTls({
    socket: await tcp(listener),
    identity: shown,
    verifyServer,
    handshakeTimeoutMs: patienceMs,
  })
}

/** A client of node:tls alone, for what `connectTls` would not do. */
function plainTls(listener: TlsListener, options: ConnectionOptions = {}): TLSSocket {
  const socket = connect({
    port: listener.address.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    cert: client.chain.map((der) => new X509Certificate(der).toString()).join(''),
    key: createPrivateKey({ key: client.privateKey, format: 'der', type: 'pkcs8' })
      .export({ format: 'pem', type: 'pkcs8' })
      .toString(),
    ...options,
  })
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  return socket
}

/** Dials until a handshake was in time: on a busy machine one may not be. */
async function dialInTime(listener: TlsListener): Promise<TLSSocket> {
  for (;;) {
    const socket = await dial(listener, client).catch(() => undefined)
    if (socket !== undefined) return socket
  }
}

async function echoed(socket: TLSSocket, text: string): Promise<string> {
  socket.write(text)
  const [data] = await once(socket, 'data')
  return String(data)
}

/** Resolves when the socket has closed, with an error or without. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  )
}

describe('who is at the other end', () => {
  test('each side is judged by the chain that it presented, in its order', async () => {
    let ofClient: readonly Buffer[] = []
    let ofServer: readonly Buffer[] = []
    const listener = await listen({
      verifyClient: (chain) => {
        ofClient = chain
        return chain
      },
    })
    const socket = await dial(listener, client, (chain) => {
      ofServer = chain
    })
    expect(await echoed(socket, 'hello')).toBe('hello')
    expect(ofClient).toEqual(client.chain)
    expect(ofClient).toHaveLength(3)
    expect(ofServer).toEqual(server.chain)
  })

  test('a client without a certificate is an empty chain, not a refused handshake', async () => {
    const seen: (readonly Buffer[])[] = []
    const listener = await listen({
      verifyClient: (chain) => {
        seen.push(chain)
        return chain
      },
    })
    const socket = await dial(listener, undefined)
    expect(await echoed(socket, 'hi')).toBe('hi')
    expect(seen).toEqual([[]])
  })

  test('a certificate without its key proves nothing', async () => {
    const listener = await listen()
    const stolen = { chain: [client.leaf], privateKey: foreign.privateKey }
    expect(await failureOf(dial(listener, stolen))).toBeInstanceOf(Error)
  })

  test("a foreign CA's client is refused before a byte of its data is read", async () => {
    let handedOn = 0
    const refused: unknown[] = []
    const listener = await listen({
      verifyClient: (chain) => {
        if (chain[0]?.equals(client.leaf)) return chain
        const error = new CountersignError('unauthenticated', 'not ours', { reason: 'svid-chain' })
        refused.push(error)
        throw error
      },
      onConnection: () => {
        handedOn += 1
      },
    })
    const socket = await dial(listener, foreign)
    socket.on('error', () => {})
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    socket.resume()
    await closed(socket)
    expect(refused).toHaveLength(1)
    expect(handedOn).toBe(0)
  })

  test('what a client sends while it is being checked is not lost', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const listener = await listen({
      verifyClient: async (chain) => {
        await promise
        return chain
      },
    })
    const socket = await dial(listener, client)
    const reply = echoed(socket, 'early')
    for (let i = 0; i < 20; i += 1) await new Promise((done) => setImmediate(done))
    resolve()
    expect(await reply).toBe('early')
  })

  test('a chain that is longer than any real one is refused', async () => {
    const listener = await listen()
    const long = { ...client, chain: [client.leaf, ...Array<Buffer>(20).fill(unrelated)] }
    const socket = await dial(listener, long)
    socket.on('error', () => {})
    socket.resume()
    await closed(socket)
  })

  test('a server that is refused gets no byte, and the refusal is what is thrown', async () => {
    const got: Buffer[] = []
    const listener = await listen({
      onConnection: (socket) => socket.on('data', (d) => got.push(d)),
    })
    const refusal = new CountersignError('unauthenticated', 'not ours', { reason: 'svid-chain' })
    const error = await failureOf(
      dial(listener, client, () => {
        throw refusal
      }),
    )
    expect(error).toBe(refusal)
    expect(got).toEqual([])
  })
})

describe('TLS itself', () => {
  test.each([
    ['another protocol', { ALPNProtocols: ['http/1.1'] }],
    ['no protocol', { ALPNProtocols: [] }],
    ['TLS 1.2', { maxVersion: 'TLSv1.2' as const }],
  ])('a client that offers %s is refused', async (_, options) => {
    let asked = 0
    const listener = await listen({
      verifyClient: (chain) => {
        asked += 1
        return chain
      },
    })
    const socket = plainTls(listener, options)
    socket.resume()
    await closed(socket)
    expect(asked).toBe(0)
  })

  test('T27 no session is resumed: each connection shows its certificate', async () => {
    const seen: number[] = []
    const listener = await listen({
      verifyClient: (chain) => {
        seen.push(chain.length)
        return chain
      },
    })
    const first = plainTls(listener)
    const sessions: Buffer[] = []
    first.on('session', (session) => sessions.push(session))
    await once(first, 'secureConnect')
    expect(await echoed(first, 'one')).toBe('one')
    const kept = first.getSession()
    if (kept !== undefined) sessions.push(kept)
    first.destroy()
    expect(sessions.length).toBeGreaterThan(0)
    for (const session of sessions) {
      const again = plainTls(listener, { session })
      await once(again, 'secureConnect')
      expect(again.isSessionReused()).toBe(false)
      expect(await echoed(again, 'two')).toBe('two')
      again.destroy()
    }
    expect(seen).toEqual([3, ...sessions.map(() => 3)])
  })

  test('a session of a client with a certificate does not help one without', async () => {
    const seen: number[] = []
    const listener = await listen({
      verifyClient: (chain) => {
        seen.push(chain.length)
        return chain
      },
    })
    const first = plainTls(listener)
    await once(first, 'secureConnect')
    await echoed(first, 'one')
    const session = first.getSession()
    first.destroy()
    const options = { session, cert: undefined, key: undefined } as unknown as ConnectionOptions
    const again = plainTls(listener, options)
    await once(again, 'secureConnect')
    await echoed(again, 'two')
    expect(seen).toEqual([3, 0])
  })

  test('a new identity is shown to new connections; open ones live on', async () => {
    let shown: TestIdentity = server
    const listener = await listen({ identity: () => shown })
    let leaf: Buffer | undefined
    const remember = (chain: readonly Buffer[]): void => {
      leaf = chain[0]
    }
    const before = await dial(listener, client, remember)
    expect(leaf).toEqual(server.leaf)
    shown = other
    listener.refreshIdentity()
    await dial(listener, client, remember)
    expect(leaf).toEqual(other.leaf)
    expect(await echoed(before, 'still here')).toBe('still here')
  })

  test('after a swap of identity sessions are still not resumed', async () => {
    const listener = await listen()
    listener.refreshIdentity()
    const first = plainTls(listener)
    await once(first, 'secureConnect')
    await echoed(first, 'one')
    const session = first.getSession()
    const again = plainTls(listener, { session } as ConnectionOptions)
    await once(again, 'secureConnect')
    expect(again.isSessionReused()).toBe(false)
  })
})

describe('T12 slow and many', () => {
  test('a connection that says nothing is cut at the deadline', async () => {
    const listener = await listen({ handshakeTimeoutMs: 100 })
    const socket = await tcp(listener)
    socket.resume()
    await closed(socket)
  })

  test('a handshake that trickles is cut at the same deadline', async () => {
    const listener = await listen({ handshakeTimeoutMs: 200 })
    const socket = await tcp(listener)
    socket.resume()
    const trickle = setInterval(() => socket.write(Buffer.from([0x16])), 20)
    await closed(socket)
    clearInterval(trickle)
  })

  test('a check that never answers does not hold the connection', async () => {
    const listener = await listen({
      handshakeTimeoutMs: 3000,
      verifyClient: () => new Promise<never>(() => {}),
    })
    const socket = await dialInTime(listener)
    socket.on('error', () => {})
    socket.resume()
    await closed(socket)
  })

  test('a verified connection outlives the deadline', async () => {
    const listener = await listen({ handshakeTimeoutMs: 3000 })
    const socket = await dialInTime(listener)
    const silent = await tcp(listener)
    silent.resume()
    await closed(silent)
    expect(await echoed(socket, 'alive')).toBe('alive')
  })

  test('where silent connections pile up, the oldest makes room for an honest client', async () => {
    const listener = await listen({ maxHandshakes: 2 })
    const silent = [await tcp(listener), await tcp(listener)]
    for (const socket of silent) socket.resume()
    const cut = closed(silent[0] as Socket)
    const honest = await dial(listener, client)
    await cut
    expect(await echoed(honest, 'in')).toBe('in')
    expect(silent[1]?.destroyed).toBe(false)
  })

  test('an address gets no more than its share, and gets it back', async () => {
    const listener = await listen({ maxConnectionsPerAddress: 2 })
    const first = await dial(listener, client)
    const second = await dial(listener, client)
    expect(await failureOf(dial(listener, client))).toMatchObject({ code: 'unavailable' })
    first.destroy()
    await expect
      .poll(async () => {
        const socket = await dial(listener, client).catch(() => undefined)
        return socket !== undefined
      })
      .toBe(true)
    expect(await echoed(second, 'mine')).toBe('mine')
  })

  test('close destroys what is open and what is half open', async () => {
    const listener = await listen()
    const open = await dial(listener, client)
    open.on('error', () => {})
    open.resume()
    const silent = await tcp(listener)
    silent.resume()
    const gone = Promise.all([closed(open), closed(silent)])
    await listener.close()
    await gone
  })

  test('garbage is refused and the listener goes on', async () => {
    const listener = await listen()
    const socket = await tcp(listener)
    socket.resume()
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await closed(socket)
    expect(await echoed(await dial(listener, client), 'fine')).toBe('fine')
  })
})

describe('a server that does not answer as it should', () => {
  async function fakeServer(serve: (socket: Socket) => void): Promise<Socket> {
    const fake = createServer((socket) => {
      socket.on('error', () => {})
      onTestFinished(() => void socket.destroy())
      serve(socket)
    })
    onTestFinished(() => void fake.close())
    await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve))
    const { port } = fake.address() as { port: number }
    const socket = netConnect(port, '127.0.0.1')
    await once(socket, 'connect')
    return socket
  }
  const connectTo = (socket: Socket, handshakeTimeoutMs: number) =>
    connectTls({ socket, identity: undefined, verifyServer: () => {}, handshakeTimeoutMs })

  test('one that does not speak TLS', async () => {
    const socket = await fakeServer((s) => s.end('220 mail.example.org ESMTP\r\n'))
    expect(await failureOf(connectTo(socket, patienceMs))).toMatchObject({
      reason: 'tls-handshake',
    })
  })

  test('one that hangs up', async () => {
    const socket = await fakeServer((s) => s.destroy())
    expect(await failureOf(connectTo(socket, patienceMs))).toMatchObject({
      reason: 'tls-handshake',
    })
  })

  test('one that says nothing', async () => {
    const socket = await fakeServer(() => {})
    expect(await failureOf(connectTo(socket, 100))).toMatchObject({
      reason: 'tls-handshake-timeout',
    })
    expect(socket.destroyed).toBe(true)
  })
})

test('a port that is taken is told apart', async () => {
  const { address } = await listen()
  expect(await failureOf(listen({ port: address.port }))).toMatchObject({
    reason: 'listen-address-in-use',
    message: expect.stringMatching(/^cannot listen on 127\.0\.0\.1:\d+$/),
  })
})

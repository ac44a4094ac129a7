import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { BundleLookup } from '../../../src/bundle/bundle.ts'
import { contextOptions, type TlsIdentity } from '../../../src/mtls/context.ts'
import { listenTls, type TlsListener } from '../../../src/mtls/handshake.ts'
import { silentLog } from '../../../src/runtime/log.ts'
import type { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { verifyX509Svid } from '../../../src/svid/x509-svid.ts'
import { generateKeyPair, softwareSigner } from '../../../src/x509/key.ts'
import {
  bundleOf,
  certify,
  type Made,
  NOW,
  partyWith,
  root,
  sourceOf,
} from '../../support/x509-fixtures.ts'

// What was true of a client at its first connection may not be true at its next.

const lifeMs = 60_000
let ours: Made
let server: TlsIdentity
let client: TlsIdentity

beforeAll(async () => {
  ours = await root('ca', { uris: ['spiffe://example.org'] })
  server = await identityOf('spiffe://example.org/server')
  client = await identityOf('spiffe://example.org/client')
})

async function identityOf(uri: string): Promise<TlsIdentity> {
  const { privateKey } = await generateKeyPair('ec-p256')
  const { der } = await certify(partyWith('', softwareSigner(privateKey)), ours, {
    uris: [uri],
    notAfter: new Date(NOW.getTime() + lifeMs),
  })
  return { chain: [der], privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }) }
}

type Version = 'TLSv1.2' | 'TLSv1.3'

interface Port {
  readonly listener: Pick<TlsListener, 'address'>
  /** What the clients speak. */
  readonly version: Version
}

interface Door extends Port {
  readonly listener: TlsListener
  readonly admitted: SpiffeId[]
  readonly refusals: unknown[]
  now: Date
  bundles: BundleLookup
}

/** A server that checks X.509-SVIDs at an instant and against bundles that a test may change. */
async function open(version: Version): Promise<Door> {
  const refusals: unknown[] = []
  const admitted: SpiffeId[] = []
  const listener = await listenTls<SpiffeId>({
    host: '127.0.0.1',
    port: 0,
    identity: () => server,
    protocol: { minVersion: 'TLSv1.2', alpn: ['h2'] },
    verifyClient: (chain) => verifyX509Svid(chain, door.bundles, door.now).spiffeId,
    onConnection: (socket, id) => {
      admitted.push(id)
      socket.write(id)
    },
    // What takes longer hangs.
    handshakeTimeoutMs: 60_000,
    log: {
      ...silentLog,
      info: (_, fields) => void refusals.push(fields?.['reason']),
    },
  })
  onTestFinished(() => listener.close())
  const bundles = sourceOf(bundleOf('example.org', ours))
  const door: Door = { listener, version, admitted, refusals, now: NOW, bundles }
  return door
}

/** What an ordinary TLS client does, one that keeps every session that it is given. */
function knock(
  { listener, version }: Port,
  shown: TlsIdentity | undefined,
  session?: Buffer,
): TLSSocket {
  const socket = connect({
    port: listener.address.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    maxVersion: version,
    ...(shown === undefined
      ? {}
      : {
          cert: shown.chain.map((der) => new X509Certificate(der).toString()).join(''),
          key: createPrivateKey({ key: shown.privateKey, format: 'der', type: 'pkcs8' })
            .export({ format: 'pem', type: 'pkcs8' })
            .toString(),
        }),
    ...(session === undefined ? {} : { session }),
  })
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  return socket
}

async function sessionsOf(door: Door): Promise<Buffer[]> {
  const socket = knock(door, client)
  const sessions: Buffer[] = []
  socket.on('session', (session) => sessions.push(session))
  const [greeting] = await once(socket, 'data')
  expect(String(greeting)).toBe('spiffe://example.org/client')
  expect(socket.getProtocol()).toBe(door.version)
  const last = socket.getSession()
  if (last !== undefined) sessions.push(last)
  socket.destroy()
  expect(sessions).not.toEqual([])
  return sessions
}

/** The client's next connections with all that it kept: none may be let in. */
async function expectShut(door: Door, sessions: readonly Buffer[], shown?: TlsIdentity) {
  const before = door.admitted.length
  for (const session of sessions) {
    const socket = knock(door, shown, session)
    const got: Buffer[] = []
    socket.on('data', (data) => got.push(data))
    await new Promise<void>((resolve) => socket.once('close', () => resolve()))
    expect(got).toEqual([])
  }
  expect(door.admitted).toHaveLength(before)
  expect(door.refusals).toHaveLength(sessions.length)
}

test.each<Version>(['TLSv1.2', 'TLSv1.3'])(
  'T27 by %s node:tls alone would resume the sessions that these tests keep',
  async (version) => {
    const plain = createServer({
      ...contextOptions(server, { minVersion: 'TLSv1.2', alpn: [] }),
      secureOptions: 0,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    })
    plain.on('secureConnection', (socket) => {
      socket.on('error', () => {})
      socket.write('in')
    })
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void plain.close())
    const door = { listener: { address: plain.address() as AddressInfo }, version }
    const first = knock(door, client)
    const kept = Promise.withResolvers<Buffer>()
    first.on('session', kept.resolve)
    await once(first, 'data')
    const again = knock(door, undefined, await kept.promise)
    await once(again, 'data')
    expect(again.isSessionReused()).toBe(true)
  },
)

describe.each<Version>(['TLSv1.2', 'TLSv1.3'])(
  'T27 by %s a kept session is worth nothing',
  (version) => {
    test('when the certificate has expired since', async () => {
      const door = await open(version)
      const sessions = await sessionsOf(door)
      door.now = new Date(NOW.getTime() + lifeMs + 1000)
      await expectShut(door, sessions, client)
    })

    test('when the CA has left the bundle since', async () => {
      const door = await open(version)
      const sessions = await sessionsOf(door)
      door.bundles = sourceOf(bundleOf('example.org', await root('ca')))
      await expectShut(door, sessions, client)
    })

    test('when the client shows no certificate any more', async () => {
      const door = await open(version)
      await expectShut(door, await sessionsOf(door))
    })

    test('when the server has shown a new identity since', async () => {
      const door = await open(version)
      const sessions = await sessionsOf(door)
      door.listener.refreshIdentity()
      door.now = new Date(NOW.getTime() + lifeMs + 1000)
      await expectShut(door, sessions, client)
    })

    test('yet a client that is still good comes in with it, after a full handshake', async () => {
      const door = await open(version)
      const [session] = await sessionsOf(door)
      const socket = knock(door, client, session)
      await once(socket, 'data')
      expect(socket.isSessionReused()).toBe(false)
      expect(door.admitted).toHaveLength(2)
    })
  },
)

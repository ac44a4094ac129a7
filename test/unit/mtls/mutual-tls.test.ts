import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import type { TlsIdentity } from '../../../src/mtls/context.ts'
import type { TlsListener } from '../../../src/mtls/handshake.ts'
import {
  connectMtls,
  type ListenMtlsOptions,
  listenMtls,
  secureMtls,
} from '../../../src/mtls/mutual-tls.ts'
import { matchOneOf, matchTrustDomain } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../src/svid/x509-svid.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { freePort } from '../../support/free-port.ts'
import { bundleOf, type Made, NOW, reasonOfAsync, root } from '../../support/x509-fixtures.ts'
import { identity } from './identities.ts'
import { svidOf as svid, TestSource } from './test-source.ts'

const clock = new FakeClock(NOW)
const here = matchTrustDomain(TrustDomain.parse('here.test'))
const there = matchTrustDomain(TrustDomain.parse('there.test'))
let ourCa: Made
let theirCa: Made
let server: X509Svid
let client: X509Svid

beforeAll(async () => {
  ourCa = await root('ca')
  theirCa = await root('ca')
  server = await svid(ourCa, 'spiffe://here.test/server')
  client = await svid(ourCa, 'spiffe://here.test/client')
})

/** Trusts each trust domain by its own CA alone. */
function sourceOf(first: X509Svid | undefined): TestSource {
  return new TestSource(first, bundleOf('here.test', ourCa), bundleOf('there.test', theirCa))
}

async function listen(options: Partial<ListenMtlsOptions> = {}): Promise<TlsListener> {
  const listener = await listenMtls({
    source: sourceOf(server),
    authorize: here,
    host: '127.0.0.1',
    port: 0,
    onConnection: (socket, peer) => socket.end(peer.spiffeId),
    clock,
    ...options,
  })
  onTestFinished(() => listener.close())
  return listener
}

/** Who the server says that we are; rejects where it does not let us in. */
async function greeted(socket: TLSSocket): Promise<string> {
  let text = ''
  for await (const data of socket) text += String(data)
  if (text === '') throw new CountersignError('unavailable', 'hung up', { reason: 'hung-up' })
  return text
}

async function dial(
  { address }: TlsListener,
  shown: X509Svid,
  authorize = matchOneOf(SpiffeId.parse('spiffe://here.test/server')),
): Promise<string> {
  const options = { source: sourceOf(shown), authorize, clock }
  const { socket } = await connectMtls({ ...options, host: '127.0.0.1', port: address.port })
  onTestFinished(() => void socket.destroy())
  return greeted(socket)
}

/** What node:tls does by itself, and does not check. */
function plain(
  { address }: TlsListener,
  shown: TlsIdentity | undefined,
  options: ConnectionOptions = {},
): TLSSocket {
  const socket = connect({
    port: address.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...(shown !== undefined && {
      cert: shown.chain.map((der) => new X509Certificate(der).toString()).join(''),
      key: createPrivateKey({ key: shown.privateKey, format: 'der', type: 'pkcs8' })
        .export({ format: 'pem', type: 'pkcs8' })
        .toString(),
    }),
    ...options,
  })
  onTestFinished(() => void socket.destroy())
  return socket
}

async function knock(...how: Parameters<typeof plain>): Promise<string> {
  const socket = plain(...how)
  await once(socket, 'secureConnect')
  return `${socket.getProtocol()} ${await greeted(socket)}`
}

test('each side learns who the other is, by TLS 1.3', async () => {
  const listener = await listen()
  expect(await dial(listener, client)).toBe('spiffe://here.test/client')
  expect(await knock(listener, client)).toBe('TLSv1.3 spiffe://here.test/client')
})

test('a peer that has no more than TLS 1.2 is let in with forward secrecy, and not without', async () => {
  const listener = await listen()
  const tls12: ConnectionOptions = { maxVersion: 'TLSv1.2' }
  expect(await knock(listener, client, tls12)).toBe('TLSv1.2 spiffe://here.test/client')
  await expect(
    knock(listener, client, { ...tls12, ciphers: 'AES128-GCM-SHA256' }),
  ).rejects.toThrow()
})

test('by TLS 1.2 nobody shows another certificate after the check: there is no renegotiation', async () => {
  const listener = await listen({ onConnection: (socket) => socket.pipe(socket) })
  const socket = plain(listener, client, { maxVersion: 'TLSv1.2' })
  await once(socket, 'secureConnect')
  const refused = once(socket, 'error')
  socket.renegotiate({ rejectUnauthorized: false }, () => {})
  expect((await refused)[0]).toMatchObject({ code: 'ERR_SSL_NO_RENEGOTIATION' })
})

test('T33 X509-28 an ID of one trust domain under the CA of another is refused by both sides, though both CAs are trusted', async () => {
  const forged = await svid(theirCa, 'spiffe://here.test/client')
  expect(await reasonOfAsync(async () => dial(await listen(), forged))).toBe('hung-up')
  const liar = await listen({
    source: sourceOf(await svid(theirCa, 'spiffe://here.test/server')),
  })
  expect(await reasonOfAsync(() => dial(liar, client))).toBe('svid-chain-unknown-authority')
  // Each under its own CA, the same two are let in.
  const foreign = await svid(theirCa, 'spiffe://there.test/client')
  expect(await dial(await listen({ authorize: there }), foreign)).toBe('spiffe://there.test/client')
})

test('the ID of a trust domain is nobody to either side', async () => {
  const { chain, privateKey } = await identity(ourCa, 'spiffe://here.test', [])
  await expect(
    knock(await listen({ authorize: () => true }), { chain, privateKey }),
  ).rejects.toThrow()
  const nobody = { ...server, chain, privateKey }
  const listener = await listen({ source: sourceOf(nobody) })
  expect(await reasonOfAsync(() => dial(listener, client, () => true))).toBe('svid-root-path')
})

test('who shows no certificate, one that has ended, or an ID that is not let in, is refused', async () => {
  const listener = await listen({ authorize: matchOneOf(client.spiffeId) })
  await expect(knock(listener, undefined)).rejects.toThrow()
  expect(await reasonOfAsync(() => dial(listener, server))).toBe('hung-up')
  const late = await listen({ clock: new FakeClock(new Date(client.expiresAt.getTime() + 1000)) })
  expect(await reasonOfAsync(() => dial(late, client))).toBe('hung-up')
  expect(await reasonOfAsync(() => dial(listener, client, matchOneOf()))).toBe('peer-unauthorized')
})

test('a new handshake shows the new SVID, and a connection that is open lives on', async () => {
  const source = sourceOf(server)
  const listener = await listen({ source, onConnection: (socket) => socket.pipe(socket) })
  const open = async (id: SpiffeId): Promise<TLSSocket> => {
    const { socket } = await connectMtls({
      source: sourceOf(client),
      authorize: matchOneOf(id),
      host: '127.0.0.1',
      port: listener.address.port,
      clock,
    })
    onTestFinished(() => void socket.destroy())
    return socket
  }
  const before = await open(server.spiffeId)
  source.replace(await svid(ourCa, 'spiffe://here.test/renewed'))
  await open(SpiffeId.parse('spiffe://here.test/renewed'))
  before.write('still here')
  expect(String((await once(before, 'data'))[0])).toBe('still here')
})

test('WLA-28 a handshake during which the own identity is withdrawn comes to nothing, on either side', async () => {
  const source = sourceOf(server)
  const withdrawing = (of: TestSource) => () => {
    of.replace(undefined)
    return true
  }
  const listener = await listen({ source, authorize: withdrawing(source) })
  expect(await reasonOfAsync(() => dial(listener, client))).toBe('hung-up')
  const ours = sourceOf(client)
  const options = { source: ours, authorize: withdrawing(ours), clock }
  const { port } = (await listen()).address
  expect(await reasonOfAsync(() => connectMtls({ ...options, host: '127.0.0.1', port }))).toBe(
    'connection-outlived',
  )
})

test('two connections from one address and port, to two addresses of the server, are two', async () => {
  const listener = await listen({ host: '0.0.0.0', onConnection: (socket) => socket.pipe(socket) })
  const localPort = await freePort()
  const opened = ['127.0.0.1', '127.0.0.2'].map(async (host) => {
    const raw = connectTcp({
      host,
      port: listener.address.port,
      localAddress: '127.0.0.3',
      localPort,
    })
    await once(raw, 'connect')
    const options = { source: sourceOf(client), authorize: here, clock }
    const { socket } = await secureMtls(raw, options)
    onTestFinished(() => void socket.destroy())
    socket.write(host)
    return String((await once(socket, 'data'))[0])
  })
  expect(await Promise.all(opened)).toEqual(['127.0.0.1', '127.0.0.2'])
})

test('what the source says while the port is being opened is shown', async () => {
  const source = sourceOf(undefined)
  const opening = listen({ source })
  source.replace(server)
  expect(await dial(await opening, client)).toBe(client.spiffeId)
})

test('an SVID that TLS cannot show leaves the one before in use', async () => {
  const source = sourceOf(server)
  const listener = await listen({ source })
  source.replace({ ...server, chain: [...server.chain, Buffer.from('junk')] })
  expect(await dial(listener, client)).toBe('spiffe://here.test/client')
})

test('while the source has no SVID nobody gets in, and nobody is dialled', async () => {
  const source = sourceOf(undefined)
  const listener = await listen({ source })
  expect(await reasonOfAsync(() => dial(listener, client))).toBe('tls-handshake')
  const options = { source, authorize: here, host: '127.0.0.1', port: listener.address.port }
  expect(await reasonOfAsync(() => connectMtls({ ...options, clock }))).toBe('no-svid')
  source.replace(server)
  expect(await dial(listener, client)).toBe('spiffe://here.test/client')
  await listener.close()
  await expect.poll(() => source.listeners).toBe(0)
})

import type { Readable } from 'node:stream'
import {
  Client,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { accessOf, createChannelCredentials, requireAccessToken, serveMtls } from 'countersign/grpc'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { factKinds } from '../../../src/revocation/fact.ts'
import { fromStatus } from '../../../src/rpc/status.ts'
import { matchTrustDomain } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../src/svid/x509-svid.ts'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { toPem } from '../../../src/x509/pem.ts'
import { bundleOf, type Made, NOW, reasonOf, root } from '../../support/x509-fixtures.ts'
import { svidOf, TestSource } from '../mtls/test-source.ts'
import { boundTo, type TestIssuer, testIssuer } from './access-fixtures.ts'
import { type KnownFacts, knownFacts, revocable } from './known-facts.ts'

const audience = 'https://orders.example.org'
const clock = new FakeClock(NOW)
const authorize = matchTrustDomain(TrustDomain.parse('here.test'))
const [list, cancel, other] = ['/test.Orders/List', '/test.Orders/Cancel', '/test.Orders/Other']
const bytes = (value: Buffer): Buffer => value
const codec = {
  ...{ requestStream: false, responseStream: false },
  ...{ requestSerialize: bytes, requestDeserialize: bytes },
  ...{ responseSerialize: bytes, responseDeserialize: bytes },
}
/** OpenSSL, which checks in one of the tests, knows no fake clock. */
const always = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') }
let ca: Made
let server: X509Svid
let client: X509Svid
let issuer: TestIssuer
let token: string

beforeAll(async () => {
  ca = await root('ca', always)
  server = await svidOf(ca, SpiffeId.parse('spiffe://here.test/server'), always)
  client = await svidOf(ca, SpiffeId.parse('spiffe://here.test/client'), always)
  issuer = await testIssuer(clock)
  token = await tokenWith({})
})

function tokenWith(claims: Record<string, unknown>): Promise<string> {
  return issuer.token({
    ...{ aud: audience, sub: client.spiffeId, client_id: client.spiffeId },
    ...{ scope: 'orders:read', ...boundTo(client.chain[0]), ...claims },
  })
}

const source = (svid: X509Svid) => new TestSource(svid, bundleOf('here.test', ca))

function orders(guarded = true, revocations?: KnownFacts): Server {
  const interceptor = requireAccessToken({
    verifier: issuer.verifier({
      audience,
      requireBound: true,
      ...(revocations && { revocations }),
    }),
    methods: { [list]: ['orders:read'], [cancel]: ['orders:write'] },
  })
  const grpc = new Server(guarded ? { interceptors: [interceptor] } : {})
  const handle = (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void =>
    answer(null, Buffer.from(guarded ? accessOf(call).subject : reasonOf(() => accessOf(call))))
  grpc.addService(
    {
      list: { path: list, ...codec },
      cancel: { path: cancel, ...codec },
      other: { path: other, ...codec },
    },
    { list: handle, cancel: handle, other: handle },
  )
  return grpc
}

/** The answer, or status code and reason. */
type Ask = (path: string, authorization?: string) => Promise<unknown>

function askerAt(port: number, shown: X509Svid): Ask {
  const credentials = createChannelCredentials({ source: source(shown), authorize, clock })
  const channel = new Client(`127.0.0.1:${port}`, credentials)
  onTestFinished(() => channel.close())
  return (path, authorization) => {
    const metadata = new Metadata()
    if (authorization !== undefined) metadata.set('authorization', authorization)
    return new Promise((resolve) =>
      channel.makeUnaryRequest(path, bytes, bytes, Buffer.of(), metadata, (error, answer) =>
        resolve(error === null ? String(answer) : [error.code, fromStatus(error).reason]),
      ),
    )
  }
}

const guardedBy = (revocations: KnownFacts) =>
  serveMtls(orders(true, revocations), {
    ...{ source: source(server), authorize, clock, host: '127.0.0.1', port: 0 },
  })

async function expectGuarded(port: number): Promise<void> {
  const ask = askerAt(port, client)
  const thief = askerAt(port, await svidOf(ca, SpiffeId.parse('spiffe://here.test/thief'), always))
  expect(await ask(list, `Bearer ${token}`)).toBe(client.spiffeId)
  expect(await ask(list)).toEqual([status.UNAUTHENTICATED, 'token-missing'])
  expect(await ask(list, 'Bearer x.y.z')).toEqual([status.UNAUTHENTICATED, 'token-malformed'])
  expect(await thief(list, `Bearer ${token}`)).toEqual([status.UNAUTHENTICATED, 'token-binding'])
  expect(await ask(cancel, `Bearer ${token}`)).toEqual([status.PERMISSION_DENIED, 'token-scope'])
  expect(await ask(other, `Bearer ${token}`)).toEqual([status.PERMISSION_DENIED, 'method-unlisted'])
}

test('T30 over a port of serveMtls a call gets in with a token that allows its method, and is bound to its certificate', async () => {
  const listener = await serveMtls(orders(), {
    ...{ source: source(server), authorize, clock, host: '127.0.0.1', port: 0 },
  })
  onTestFinished(() => listener.close())
  await expectGuarded(listener.address.port)
})

test('T30 and so it does over a port of grpc-js itself, where that checks clients', async () => {
  const grpc = orders()
  const pem = (label: string, ders: readonly Uint8Array[]) =>
    Buffer.from(ders.map((der) => toPem(label, der)).join(''))
  const pair = {
    cert_chain: pem('CERTIFICATE', server.chain),
    private_key: pem('PRIVATE KEY', [server.privateKey]),
  }
  const roots = pem('CERTIFICATE', [ca.der])
  const credentials = ServerCredentials.createSsl(roots, [pair], true)
  const port = await new Promise<number>((resolve, reject) =>
    grpc.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  onTestFinished(() => grpc.forceShutdown())
  await expectGuarded(port)
})

test('a handler that nothing stands in front of learns nothing', async () => {
  const listener = await serveMtls(orders(false), {
    ...{ source: source(server), authorize, clock, host: '127.0.0.1', port: 0 },
  })
  onTestFinished(() => listener.close())
  const ask = askerAt(listener.address.port, client)
  expect(await ask(list, `Bearer ${token}`)).toBe('access-unchecked')
})

test('T26 a call is refused what a fact of any kind has ended, and what it cannot know of, on a connection of before', async () => {
  const revocations = knownFacts()
  const listener = await guardedBy(revocations)
  onTestFinished(() => listener.close())
  const ask = askerAt(listener.address.port, client)
  const shown = `Bearer ${await tokenWith(revocable)}`
  for (const kind of factKinds) {
    expect([kind, await ask(list, shown)]).toEqual([kind, client.spiffeId])
    revocations.revoke(kind)
    expect([kind, await ask(list, shown)]).toEqual([
      kind,
      [status.UNAUTHENTICATED, 'token-revoked'],
    ])
    revocations.forget()
  }
  revocations.isFresh = false
  expect(await ask(list, shown)).toEqual([status.UNAVAILABLE, 'revocation-unknown'])
})

const [watch, follow] = ['/test.Orders/Watch', '/test.Orders/Follow']

/** The service's side of a stream, and what it was sent. */
type Serving = ServerDuplexStream<Buffer, Buffer> & { readonly received: string[] }

/** One method streams to its client; the other answers each message of its client with the same. */
async function startStreams() {
  const known = knownFacts()
  const verifier = issuer.verifier({ audience, requireBound: true, revocations: known })
  const scopes = ['orders:read']
  const methods = { [watch]: scopes, [follow]: scopes }
  const grpc = new Server({ interceptors: [requireAccessToken({ verifier, methods })] })
  const streams = new Map<string, Serving>()
  const serve = (path: string) => (call: ServerDuplexStream<Buffer, Buffer>) => {
    const received: string[] = []
    streams.set(path, Object.assign(call, { received }))
    if (path === watch) return
    call.on('data', (message: Buffer) => {
      received.push(String(message))
      call.write(message)
    })
  }
  const toClient = { ...codec, responseStream: true }
  grpc.addService(
    {
      watch: { path: watch, ...toClient },
      follow: { path: follow, ...toClient, requestStream: true },
    },
    { watch: serve(watch) as never, follow: serve(follow) },
  )
  const listener = await serveMtls(grpc, {
    ...{ source: source(server), authorize, clock, host: '127.0.0.1', port: 0 },
  })
  onTestFinished(() => listener.close())
  const credentials = createChannelCredentials({ source: source(client), authorize, clock })
  const channel = new Client(`127.0.0.1:${listener.address.port}`, credentials)
  onTestFinished(() => channel.close())

  /** `next` is the next message, or how it ended. */
  const open = async (path: string) => {
    const metadata = new Metadata()
    metadata.set('authorization', `Bearer ${await tokenWith(revocable)}`)
    const both =
      path === follow ? channel.makeBidiStreamRequest(path, bytes, bytes, metadata) : undefined
    const stream: Readable =
      both ?? channel.makeServerStreamRequest(path, bytes, bytes, Buffer.of(), metadata)
    const heard: unknown[] = []
    stream.on('data', (message: Buffer) => heard.push(String(message)))
    stream.on('error', (error: ServiceError) => heard.push([error.code, fromStatus(error).reason]))
    await eventually(() => streams.has(path) || heard.length > 0)
    return {
      write: (text: string) => both?.write(Buffer.from(text)),
      async next() {
        await eventually(() => heard.length > 0)
        return heard.shift()
      },
    }
  }
  const serving = (path: string): Serving => streams.get(path) as Serving
  return { open, known, serving }
}

describe('T26 each message of a stream counts for itself:', () => {
  const end = [status.UNAUTHENTICATED, 'token-revoked']
  test.for([
    ['once its token was revoked', (known: KnownFacts) => known.revoke('token'), end],
    [
      'while nobody knows whether it was',
      (known: KnownFacts) => {
        known.isFresh = false
      },
      [status.UNAVAILABLE, 'revocation-unknown'],
    ],
  ] as const)('%s the service sends none', async ([, happens, ended]) => {
    const { open, known, serving } = await startStreams()
    const stream = await open(watch)
    serving(watch).write(Buffer.from('1'))
    expect(await stream.next()).toBe('1')
    happens(known)
    serving(watch).write(Buffer.from('2'))
    expect(await stream.next()).toEqual(ended)
    expect(serving(watch).destroyed).toBe(true)
  })

  test('once its token was revoked the service reads none', async () => {
    const { open, known, serving } = await startStreams()
    const stream = await open(follow)
    stream.write('1')
    expect(await stream.next()).toBe('1')
    known.revoke('spiffe-id')
    stream.write('2')
    expect(await stream.next()).toEqual(end)
    expect(serving(follow).received).toEqual(['1'])
  })

  test('it ends with its token', async () => {
    const { open, serving } = await startStreams()
    const stream = await open(watch)
    await clock.advance(70_000)
    serving(watch).write(Buffer.from('1'))
    expect(await stream.next()).toEqual([status.UNAUTHENTICATED, 'token-expired'])
  })
})

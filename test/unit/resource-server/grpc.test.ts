import {
  Client,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { accessOf, createChannelCredentials, requireAccessToken, serveMtls } from 'countersign/grpc'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { factKinds } from '../../../src/revocation/fact.ts'
import { fromStatus } from '../../../src/rpc/status.ts'
import { matchTrustDomain } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../src/svid/x509-svid.ts'
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

import { once } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { requireAccessToken, selfTest, type Verifier } from 'countersign/resource-server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Agent } from '../../../src/mtls/http-client.ts'
import { createServer } from '../../../src/mtls/http-server.ts'
import { canaryScope, selfTestPath } from '../../../src/revocation/canary.ts'
import { matchTrustDomain } from '../../../src/spiffe-id/matchers.ts'
import { canaryId, serverId } from '../../../src/spiffe-id/reserved.ts'
import { TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../src/svid/x509-svid.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { bundleOf, type Made, NOW, reasonOf, root } from '../../support/x509-fixtures.ts'
import { svidOf, TestSource } from '../mtls/test-source.ts'
import { boundTo, type TestIssuer, testIssuer } from './access-fixtures.ts'

const trustDomain = TrustDomain.parse('here.test')
const authorize = matchTrustDomain(trustDomain)
const clock = new FakeClock(NOW)
const canary = canaryId(trustDomain)
const audience = 'https://orders.example.org'
let ca: Made
let issuerServer: X509Svid
let stranger: X509Svid
let issuer: TestIssuer
let verifier: Verifier
let revoked: boolean
/** Of the last answer. */
let cacheControl: string | undefined
let server: Server

beforeAll(async () => {
  ca = await root('ca')
  issuerServer = await svidOf(ca, serverId(trustDomain))
  stranger = await svidOf(ca, 'spiffe://here.test/stranger')
  issuer = await testIssuer(clock)
  const revocations = { fresh: () => true, judge: () => (revoked ? {} : undefined) }
  verifier = issuer.verifier({ audience, revocations })
  const { path, answer } = selfTest({ verifier, server: serverId(trustDomain) })
  const guard = requireAccessToken({ verifier, scopes: [] })
  const source = new TestSource(
    await svidOf(ca, 'spiffe://here.test/orders'),
    bundleOf('here.test', ca),
  )
  server = createServer({ source, authorize, clock }, (request, response) => {
    if (request.url === path) void answer(request, response)
    else void guard(request, response, () => response.end('let in'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterAll(() => void server?.close().closeAllConnections())

interface Said {
  readonly status: number | undefined
  readonly body: string
}

/** A request by this workload, with this token. */
async function ask(
  svid: X509Svid,
  token: string,
  { path = selfTestPath, method = 'POST' } = {},
): Promise<Said> {
  const agent = new Agent({
    source: new TestSource(svid, bundleOf('here.test', ca)),
    authorize,
    clock,
  })
  const { port } = server.address() as AddressInfo
  const headers = { authorization: `Bearer ${token}` }
  const sent = request({ host: '127.0.0.1', port, path, method, agent, headers }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const said = { status: response.statusCode, body: await text(response) }
  cacheControl = response.headers['cache-control']
  agent.destroy()
  return said
}

function tokenOf(claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  return issuer.token({
    ...{ aud: audience, sub: canary, client_id: canary, scope: canaryScope },
    ...boundTo(issuerServer.chain[0]),
    ...claims,
  })
}

test('a canary is taken until it is revoked, and that is all that the server hears', async () => {
  revoked = false
  const token = await tokenOf()
  expect(await ask(issuerServer, token)).toEqual({ status: 200, body: '1' })
  expect(cacheControl).toBe('no-store')
  revoked = true
  expect(await ask(issuerServer, token)).toEqual({ status: 200, body: '0' })
  revoked = false
})

test('nobody but the server of the issuer is answered, and it by POST alone', async () => {
  const token = await tokenOf(boundTo(stranger.chain[0]))
  expect(await ask(stranger, token)).toEqual({ status: 403, body: '' })
  expect(await ask(issuerServer, await tokenOf(), { method: 'GET' })).toEqual({
    status: 405,
    body: '',
  })
})

test('no other token is taken by a self-test: whoever may ask learns nothing of them', async () => {
  const web = 'spiffe://here.test/web'
  const others: readonly Record<string, unknown>[] = [
    { sub: web, client_id: web, scope: 'orders:read' },
    { sub: web, client_id: web },
    { scope: 'orders:read' },
    { scope: `orders:read ${canaryScope}` },
    { client_id: web },
    { aud: 'https://stock.example.org' },
    boundTo(stranger.chain[0]),
  ]
  for (const claims of others) {
    expect(await ask(issuerServer, await tokenOf(claims)), JSON.stringify(claims)).toEqual({
      status: 200,
      body: '0',
    })
  }
})

test('a canary opens no route, not even one that wants no scope, nor what looks like one', async () => {
  const canaries: readonly Record<string, unknown>[] = [
    {},
    { scope: 'orders:read' },
    { scope: `orders:read ${canaryScope}`, sub: 'spiffe://here.test/web' },
    { client_id: 'spiffe://here.test/web', scope: 'orders:read' },
    { sub: 'spiffe://here.test/web', scope: 'orders:read' },
    {
      ...{ sub: 'spiffe://here.test/web', client_id: 'spiffe://here.test/web' },
      scope: `orders:read ${canaryScope}`,
    },
  ]
  for (const claims of canaries) {
    const { status, body } = await ask(issuerServer, await tokenOf(claims), { path: '/orders' })
    expect([status, JSON.parse(body).reason]).toEqual([401, 'token-canary'])
  }
  const letIn = { status: 200, body: 'let in' }
  // The path is reserved as a whole: what only ends so is a workload's.
  for (const sub of ['spiffe://here.test/web', 'spiffe://here.test/team/spire/canary']) {
    const token = await tokenOf({ sub, client_id: sub, scope: 'a' })
    expect(await ask(issuerServer, token, { path: '/orders' })).toEqual(letIn)
  }
})

test('no route can be made for canaries, and no verifier of another make tries itself', () => {
  expect(reasonOf(() => requireAccessToken({ verifier, scopes: [canaryScope] }))).toBe(
    'scope-unsound',
  )
  const other: Verifier = { verify: (token, shown) => verifier.verify(token, shown) }
  expect(reasonOf(() => selfTest({ verifier: other, server: serverId(trustDomain) }))).toBe(
    'verifier-unknown',
  )
})

import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  request as requestPlain,
} from 'node:http'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { Agent as PlainAgent, request } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { text } from 'node:stream/consumers'
import {
  Agent,
  connectHttp2 as connectOurs,
  createHttp2Server,
  createServer,
} from 'countersign/http'
import {
  accessOf,
  type RequireAccessTokenOptions,
  requireAccessToken,
  type Verifier,
} from 'countersign/resource-server'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { factKinds } from '../../../src/revocation/fact.ts'
import { matchTrustDomain } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../src/svid/x509-svid.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { toPem } from '../../../src/x509/pem.ts'
import { bundleOf, type Made, NOW, root } from '../../support/x509-fixtures.ts'
import { svidOf, TestSource } from '../mtls/test-source.ts'
import { boundTo, type TestIssuer, testIssuer } from './access-fixtures.ts'
import { frameworks, startFramework } from './frameworks.ts'
import { knownFacts, revocable } from './known-facts.ts'

const audience = 'https://orders.example.org'
const metadata = `${audience}/.well-known/oauth-protected-resource`
const clock = new FakeClock(NOW)
const authorize = matchTrustDomain(TrustDomain.parse('here.test'))
let ca: Made
let server: X509Svid
let client: X509Svid
let thief: X509Svid
let issuer: TestIssuer
let token: string
let options: RequireAccessTokenOptions
let handler: RequestListener

beforeAll(async () => {
  ca = await root('ca')
  server = await svidOf(ca, SpiffeId.parse('spiffe://here.test/server'))
  client = await svidOf(ca, SpiffeId.parse('spiffe://here.test/client'))
  thief = await svidOf(ca, SpiffeId.parse('spiffe://here.test/thief'))
  issuer = await testIssuer(clock)
  token = await tokenWith({})
  options = {
    verifier: issuer.verifier({ audience, requireBound: true }),
    scopes: ['orders:read'],
    resourceMetadata: metadata,
  }
  const guard = requireAccessToken(options)
  handler = (asked, response) =>
    void guard(asked, response, () => response.end(accessOf(asked).subject))
})

function tokenWith(claims: Record<string, unknown>): Promise<string> {
  const named = { aud: audience, sub: client.spiffeId, client_id: client.spiffeId }
  return issuer.token({ ...named, scope: 'orders:read', ...boundTo(client.chain[0]), ...claims })
}

async function portOf(listening: Server): Promise<number> {
  if (!listening.listening) await once(listening, 'listening')
  onTestFinished(() => void listening.close())
  return (listening.address() as AddressInfo).port
}

/** Status, challenge, and whom it let in or the reason. */
type Answer = readonly [number | undefined, string | undefined, unknown]

function answer(status: number | undefined, challenge: string | undefined, body: string): Answer {
  const said = body.startsWith('{') ? (JSON.parse(body) as { reason: unknown }).reason : body
  return [status, challenge, said]
}

async function ask(port: number, agent: PlainAgent, authorization?: string): Promise<Answer> {
  const sent = request({
    ...{ host: '127.0.0.1', port, agent, rejectUnauthorized: false },
    headers: authorization === undefined ? {} : { authorization },
  })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return answer(response.statusCode, response.headers['www-authenticate'], await text(response))
}

async function askHttp2(session: ClientHttp2Session, authorization?: string): Promise<Answer> {
  const stream = session.request({
    ':path': '/',
    ...(authorization !== undefined && { authorization }),
  })
  const [headers] = await once(stream, 'response')
  return answer(headers[':status'], headers['www-authenticate'], await text(stream))
}

const pemOf = (svid: X509Svid) => ({
  cert: svid.chain.map((der) => new X509Certificate(der).toString()).join(''),
  key: toPem('PRIVATE KEY', svid.privateKey),
})

/** Starts a service; the result makes clients of it, each with a connection of its own. */
async function startService(
  name: string,
  guarded: RequireAccessTokenOptions,
): Promise<(svid?: X509Svid) => (authorization?: string) => Promise<Answer>> {
  const tls = { ...pemOf(server), requestCert: true, rejectUnauthorized: false }
  const service = await startFramework(name, guarded, tls)
  const { port, http2 } = service
  const closing: (() => void)[] = []
  onTestFinished(async () => {
    for (const close of closing) close()
    await service.close()
  })
  return (svid) => {
    const shown = { ...(svid && pemOf(svid)), rejectUnauthorized: false }
    if (http2) {
      const session = connectHttp2(`https://127.0.0.1:${port}`, shown)
      closing.push(() => session.close())
      return (authorization) => askHttp2(session, authorization)
    }
    const agent = new PlainAgent({ keepAlive: true, maxSockets: 1, ...shown })
    closing.push(() => agent.destroy())
    return (authorization) => ask(port, agent, authorization)
  }
}

describe.each(Object.keys(frameworks))('%s', (name) => {
  test('T30 lets in a bound token on each request of its client’s connection, on no other, and no other token', async () => {
    const askerOf = await startService(name, options)
    const asked = askerOf(client)
    expect(await asked(`Bearer ${token}`)).toEqual([200, undefined, client.spiffeId])
    expect(await asked(`Bearer ${token}`)).toEqual([200, undefined, client.spiffeId])
    const where = `resource_metadata="${metadata}"`
    const stolen = [401, `Bearer error="invalid_token", ${where}`, 'token-binding']
    expect(await askerOf(thief)(`Bearer ${token}`)).toEqual(stolen)
    expect(await askerOf()(`Bearer ${token}`)).toEqual(stolen)
    expect(await asked()).toEqual([401, `Bearer ${where}`, 'token-missing'])
    expect(await asked(`Bearer ${await tokenWith({ scope: 'orders:write' })}`)).toEqual([
      403,
      `Bearer error="insufficient_scope", scope="orders:read", ${where}`,
      'token-scope',
    ])
    expect(await asked('Bearer a, Bearer b')).toEqual([
      400,
      `Bearer error="invalid_request", ${where}`,
      'token-repeated',
    ])
  })

  test('T26 refuses what a fact of any kind ends, and what it cannot know of, from the next request of a connection on', async () => {
    const revocations = knownFacts()
    const verifier = issuer.verifier({ audience, revocations })
    const asked = (await startService(name, { verifier, scopes: ['orders:read'] }))(client)
    const shown = `Bearer ${await tokenWith(revocable)}`
    for (const kind of factKinds) {
      expect([kind, ...(await asked(shown))]).toEqual([kind, 200, undefined, client.spiffeId])
      revocations.revoke(kind)
      const refused = [kind, 401, 'Bearer error="invalid_token"', 'token-revoked']
      expect([kind, ...(await asked(shown))]).toEqual(refused)
      revocations.forget()
    }
    revocations.isFresh = false
    expect((await asked(shown)).at(-1)).toBe('revocation-unknown')
    revocations.isFresh = true
    expect((await asked(shown))[0]).toBe(200)
  })
})

const source = (svid: X509Svid) => new TestSource(svid, bundleOf('here.test', ca))

test('a bound token is good on each request of its client’s connection to a server of this library, and on no other', async () => {
  const port = await portOf(
    createServer({ source: source(server), authorize, clock }, handler).listen(0, '127.0.0.1'),
  )
  const agentOf = (svid: X509Svid) => {
    const agent = new Agent({ source: source(svid), authorize, clock })
    onTestFinished(() => agent.destroy())
    return agent
  }
  const own = agentOf(client)
  expect(await ask(port, own, `Bearer ${token}`)).toEqual([200, undefined, client.spiffeId])
  expect(await ask(port, own, `Bearer ${token}`)).toEqual([200, undefined, client.spiffeId])
  const refused = await ask(port, agentOf(thief), `Bearer ${token}`)
  expect(refused).toEqual([401, expect.any(String), 'token-binding'])
})

test('and so it is over HTTP/2 to a server of this library', async () => {
  const listening = createHttp2Server(
    { source: source(server), authorize, clock },
    handler as never,
  )
  const port = await portOf(listening.listen(0, '127.0.0.1'))
  const sessionOf = async (svid: X509Svid) => {
    const options = { source: source(svid), authorize, clock }
    const session = await connectOurs(`https://127.0.0.1:${port}`, options)
    onTestFinished(() => void session.close())
    return session
  }
  const own = await sessionOf(client)
  expect(await askHttp2(own, `Bearer ${token}`)).toEqual([200, undefined, client.spiffeId])
  expect(await askHttp2(own, `Bearer ${token}`)).toEqual([200, undefined, client.spiffeId])
  const refused = await askHttp2(await sessionOf(thief), `Bearer ${token}`)
  expect(refused).toEqual([401, expect.any(String), 'token-binding'])
})

test('RFC 6750 §2 of two tokens in two headers none is chosen', async () => {
  const guard = requireAccessToken({ verifier: issuer.verifier({ audience }), scopes: [] })
  const plain = createHttpServer(
    (asked, response) => void guard(asked, response, () => response.end()),
  )
  const port = await portOf(plain.listen(0, '127.0.0.1'))
  const bearer = `Bearer ${await tokenWith({ cnf: undefined })}`
  const statusOf = async (...bearers: string[]) => {
    const headers = ['host', 'a', ...bearers.flatMap((one) => ['authorization', one])]
    const sent = requestPlain({ host: '127.0.0.1', port, headers })
    sent.end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    response.resume()
    return response.statusCode
  }
  expect(await statusOf(bearer)).toBe(200)
  expect(await statusOf(bearer, bearer)).toBe(400)
  expect(await statusOf(bearer, 'Bearer a')).toBe(400)
})

test.each(Object.keys(frameworks))(
  '%s lets in what a verifier of somebody else has let in, which nobody watches',
  async (name) => {
    const { verify } = issuer.verifier({ audience })
    const copying: Verifier = { verify: async (...shown) => ({ ...(await verify(...shown)) }) }
    const asked = (await startService(name, { verifier: copying, scopes: [] }))(client)
    expect((await asked(`Bearer ${token}`))[0]).toBe(200)
  },
)

test('a verifier that fails lets nobody in, and ends no process', async () => {
  const guard = requireAccessToken({
    verifier: { verify: () => Promise.reject(new TypeError('a fault')) },
    scopes: [],
  })
  const next = vi.fn()
  const warned = once(process, 'warning')
  const plain = createHttpServer((asked, response) => void guard(asked, response, next))
  const port = await portOf(plain.listen(0, '127.0.0.1'))
  const headers = { authorization: 'Bearer a' }
  expect((await fetch(`http://127.0.0.1:${port}/`, { headers })).status).toBe(500)
  expect(await warned).toMatchObject([{ message: 'a fault' }])
  expect(next).not.toHaveBeenCalled()
})

import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
} from 'node:http'
import { createServer as createPlainServer, Agent as PlainAgent, request } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { Agent, createServer } from 'countersign/http'
import { accessOf, createVerifier, requireAccessToken } from 'countersign/resource-server'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { matchTrustDomain } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../src/svid/x509-svid.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { toPem } from '../../../src/x509/pem.ts'
import { bundleOf, type Made, NOW, root } from '../../support/x509-fixtures.ts'
import { svidOf, TestSource } from '../mtls/test-source.ts'

const issuer = 'https://as.example.org'
const audience = 'https://orders.example.org'
const clock = new FakeClock(NOW)
const authorize = matchTrustDomain(TrustDomain.parse('here.test'))
let ca: Made
let server: X509Svid
let client: X509Svid
let token: string
let handler: RequestListener

beforeAll(async () => {
  ca = await root('ca')
  server = await svidOf(ca, SpiffeId.parse('spiffe://here.test/server'))
  client = await svidOf(ca, SpiffeId.parse('spiffe://here.test/client'))
  const keys = await generateKeyPair('ES256')
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', use: 'sig' }
  const jwks = async () => JSON.stringify({ keys: [jwk] })
  const seconds = Math.floor(NOW.getTime() / 1000)
  const leaf = client.chain[0] as Buffer
  token = await new SignJWT({
    ...{ iss: issuer, aud: audience, sub: client.spiffeId, client_id: client.spiffeId, jti: 'a' },
    ...{ scope: 'orders:read', iat: seconds, exp: seconds + 60 },
    cnf: { 'x5t#S256': createHash('sha256').update(leaf).digest('base64url') },
  })
    .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'at+jwt' })
    .sign(keys.privateKey)
  const guard = requireAccessToken({
    verifier: createVerifier({ issuer, audience, jwks, clock, requireBound: true }),
    scopes: ['orders:read'],
  })
  handler = (asked, response) =>
    void guard(asked, response, () => response.end(String(accessOf(asked).bound)))
})

async function portOf(listening: Server): Promise<number> {
  if (!listening.listening) await once(listening, 'listening')
  onTestFinished(() => void listening.close())
  return (listening.address() as AddressInfo).port
}

async function ask(port: number, agent: PlainAgent): Promise<string> {
  const sent = request({
    ...{ host: '127.0.0.1', port, agent, rejectUnauthorized: false },
    headers: { authorization: `Bearer ${token}` },
  })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return text(response)
}

function refusedFor(body: string): unknown {
  return (JSON.parse(body) as { readonly reason: unknown }).reason
}

test('a bound token is good on each request of its client’s connection to a server of this library, and on no other', async () => {
  const source = () => new TestSource(server, bundleOf('here.test', ca))
  const port = await portOf(
    createServer({ source: source(), authorize, clock }, handler).listen(0, '127.0.0.1'),
  )
  const agentOf = (svid: X509Svid) => {
    const agent = new Agent({
      source: new TestSource(svid, bundleOf('here.test', ca)),
      authorize,
      clock,
    })
    onTestFinished(() => agent.destroy())
    return agent
  }
  const own = agentOf(client)
  expect(await ask(port, own)).toBe('true')
  expect(await ask(port, own)).toBe('true')
  const thief = agentOf(await svidOf(ca, SpiffeId.parse('spiffe://here.test/thief')))
  expect(refusedFor(await ask(port, thief))).toBe('token-binding')
})

test('a bound token is good on each request of its client’s connection to a server of node:https, and on no other', async () => {
  const pemOf = (svid: X509Svid) => ({
    cert: svid.chain.map((der) => new X509Certificate(der).toString()).join(''),
    key: toPem('PRIVATE KEY', svid.privateKey),
  })
  const options = { ...pemOf(server), requestCert: true, rejectUnauthorized: false }
  const port = await portOf(createPlainServer(options, handler).listen(0, '127.0.0.1'))
  const agentOf = (svid?: X509Svid) => {
    const agent = new PlainAgent({ keepAlive: true, maxSockets: 1, ...(svid && pemOf(svid)) })
    onTestFinished(() => agent.destroy())
    return agent
  }
  const own = agentOf(client)
  expect(await ask(port, own)).toBe('true')
  expect(await ask(port, own)).toBe('true')
  const thief = agentOf(await svidOf(ca, SpiffeId.parse('spiffe://here.test/thief')))
  expect(refusedFor(await ask(port, thief))).toBe('token-binding')
  expect(refusedFor(await ask(port, agentOf()))).toBe('token-binding')
})

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

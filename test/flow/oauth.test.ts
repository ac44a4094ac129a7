import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { createServer } from 'countersign/http'
import { OauthClient } from 'countersign/oauth-client'
import {
  accessOf,
  createVerifier,
  requireAccessToken,
  type Verifier,
} from 'countersign/resource-server'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { type ClientAuth, clientCredentialsGrant, customFetch, discovery } from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OauthSettings } from '../../server/oauth/settings.ts'
import type { CountersignError } from '../../src/errors.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { matchId } from '../../src/spiffe-id/matchers.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { JwtSource } from '../../src/workload-api/jwt-source.ts'
import { X509Source } from '../../src/workload-api/x509-source.ts'
import { generateKeyPair, softwareSigner } from '../../src/x509/key.ts'
import { runHere } from '../support/command.ts'
import {
  allowWeb,
  ask,
  assertionType,
  form,
  formHeaders,
  type HttpAnswer,
  issuer,
  oauthSettings,
  orders,
  policyFolder,
} from '../support/oauth.ts'
import { pipelined } from '../support/pipelined.ts'
import { recordsIn } from '../support/records-in.ts'
import { agentIdOf, type RunningAgent, startAgent } from '../support/running-agent.ts'
import {
  mint,
  mintJwt,
  startServer,
  type TestIdentity,
  wireEntry,
} from '../support/running-server.ts'
import { shownBy } from '../support/shown.ts'
import { startTokenServer, type TokenServer } from '../support/token-server.ts'
import type { WebCertificate } from '../support/web-certificate.ts'
import { certify, party, partyWith, type Shape } from '../support/x509-fixtures.ts'

const web = 'spiffe://example.org/web'
let certificate: WebCertificate
let policy: string
let server: TokenServer
let agent: RunningAgent
let port: number
let jwt: JwtSource
let x509: X509Source
let verifier: Verifier
/** When a client that never ends its request has been cut off: the other tests go on meanwhile. */
let cutOff: Promise<unknown>

beforeAll(async () => {
  server = await startTokenServer()
  certificate = server.certificate
  policy = server.policy
  port = server.port
  const late = await dial()
  late.write('POST /oauth/token HTTP/1.1\r\nhost: as.example.org\r\ncontent-length: 9\r\n\r\n')
  await once(late, 'data')
  cutOff = once(late.resume(), 'close')
  agent = await startAgent(server)
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  const parent = await agentIdOf(server)
  const mine = [`unix:uid:${process.getuid?.()}`]
  const { results } = await entries.unary('BatchCreateEntry', {
    entries: [
      wireEntry({ path: '/web', parent, selectors: mine }),
      wireEntry({ path: '/other', parent, selectors: ['unix:uid:4000000'] }),
    ],
  })
  expect(results.map(({ status }) => status?.code)).toEqual([0, 0])
  const options = { endpoint: `unix://${agent.socket}`, signal: AbortSignal.timeout(55_000) }
  jwt = await JwtSource.open(options)
  x509 = await X509Source.open(options)
  verifier = createVerifier({
    issuer,
    audience: orders,
    jwks: async () => (await ask(port, certificate, '/oauth/jwks')).body,
  })
})

afterAll(async () => {
  await jwt?.close()
  await x509?.close()
  await agent?.stop()
  await server?.remove()
})

type Values = Readonly<Record<string, string | readonly string[]>>

function post(values: Values, identity?: TestIdentity): Promise<HttpAnswer> {
  const options = { method: 'POST', headers: formHeaders, body: form(values), identity }
  return ask(port, certificate, '/oauth/token', options)
}

const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }

async function asserting(assertion?: string): Promise<Record<string, string>> {
  const token = assertion ?? (await jwt.fetchJwtSvid(issuer)).token
  return { ...wish, client_assertion_type: assertionType, client_assertion: token }
}

function ownIdentity(): TestIdentity {
  const { spiffeId: id, chain, privateKey } = x509.svid()
  return { id, chain, privateKey }
}

function inAnHour(): Date {
  return new Date(Date.now() + 3_600_000)
}

interface Line {
  readonly kind: string
  readonly reason?: string
  readonly [field: string]: unknown
}

function trail(): readonly Line[] {
  return recordsIn<Line>(server.config.auditFile)
}

/** RFC 6749 §5.1, §5.2: whatever is answered. */
const keptByNobody = {
  'content-type': 'application/json',
  'cache-control': 'no-store',
  pragma: 'no-cache',
  'x-content-type-options': 'nosniff',
}

describe('a workload with a JWT-SVID of its agent', () => {
  test('gets a token for one resource, and a service lets it in, by the issuer’s keys alone', async () => {
    const answer = await post(await asserting())
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject(keptByNobody)
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(answer.body)),
    })
    const body = JSON.parse(answer.body)
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 120,
      scope: 'orders:read',
    })
    expect(decodeProtectedHeader(body.access_token)).toMatchObject({ typ: 'at+jwt', alg: 'ES256' })
    const claims = decodeJwt(body.access_token)
    expect(claims).toMatchObject({ iss: issuer, sub: web, client_id: web, aud: orders })
    expect(claims).not.toHaveProperty('cnf')

    const service = createHttps(
      { cert: readFileSync(certificate.certificate), key: readFileSync(certificate.key) },
      (request, response) => {
        const guard = requireAccessToken({ verifier, scopes: ['orders:read'] })
        void guard(request, response, () => response.end(accessOf(request).subject))
      },
    )
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
    try {
      const { port: at } = service.address() as AddressInfo
      const call = (authorization?: string) =>
        ask(at, certificate, '/', { headers: authorization === undefined ? {} : { authorization } })
      expect(await call(`Bearer ${body.access_token}`)).toMatchObject({ status: 200, body: web })
      expect((await call()).headers['www-authenticate']).toBe('Bearer')
      // An SVID is no access token, whoever it is for.
      const svid = await call(`Bearer ${(await jwt.fetchJwtSvid(orders)).token}`)
      expect([svid.status, JSON.parse(svid.body).reason]).toEqual([401, 'token-type'])
    } finally {
      service.closeAllConnections()
      await new Promise((resolve) => service.close(resolve))
    }
  })

  test('what was issued is on record: for whom, for what, by which policy, and never the token', async () => {
    const { access_token } = JSON.parse((await post(await asserting())).body)
    const { jti } = decodeJwt(access_token)
    const line = trail().find((one) => one.kind === 'token.issued' && one['jti'] === jti)
    expect(line).toMatchObject({
      spiffeId: web,
      audience: [orders],
      decision: 'allow',
      actor: { id: web, auth: 'spiffe_jwt', node: expect.stringContaining('/spire/agent/') },
      grant: 'client_credentials',
      scope: ['orders:read'],
      policies: ['web-reads-orders'],
      policyRevision: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(readFileSync(server.config.auditFile, 'utf8')).not.toContain(access_token.slice(-40))
  })

  test('is listed with what it can reach, and each token by its id', async () => {
    const { jti } = decodeJwt(JSON.parse((await post(await asserting())).body).access_token)
    const typed = (line: string) =>
      runHere([...line.split(' '), '--admin-socket', server.config.adminSocket])
    const tokens = async () => {
      const { stdout } = await typed(`grant tokens --spiffe-id ${web} -o json`)
      return (JSON.parse(stdout) as { jti: string }[]).map((one) => one.jti)
    }
    await expect.poll(tokens).toContain(jti)
    const { stdout } = await typed(`grant list --audience ${orders}`)
    expect(stdout).toMatch(
      /^CLIENT .*\nspiffe:\/\/example.org\/web +- .*orders:read.* in \d+[ms]\n$/,
    )
    expect((await typed('grant list --owner nobody')).stderr).toContain('none')
  })

  test('gets it with an ordinary OAuth client, openid-client, which reads the metadata', async () => {
    const { token } = await jwt.fetchJwtSvid(issuer)
    const svid: ClientAuth = (_server, _client, body) => {
      body.set('client_assertion_type', assertionType)
      body.set('client_assertion', token)
    }
    const found = await discovery(new URL(issuer), web, undefined, svid, {
      algorithm: 'oauth2',
      [customFetch]: async (url, { method, headers, body }) => {
        const sent = { method, headers, ...(body != null && { body: String(body) }) }
        const { status, ...answer } = await ask(port, certificate, new URL(url).pathname, sent)
        const { 'content-type': type = '' } = answer.headers
        return new Response(answer.body, { status, headers: { 'content-type': type } })
      },
    })
    const grant = (scope: string) => clientCredentialsGrant(found, { resource: orders, scope })
    const { access_token, expires_in } = await grant('orders:read')
    expect(expires_in).toBe(120)
    expect((await verifier.verify(access_token)).subject).toBe(web)
    await expect(grant('orders:write')).rejects.toMatchObject({ error: 'invalid_scope' })
  })

  test('an access token proves no workload: not to this server, nor as a JWT-SVID', async () => {
    const { access_token } = JSON.parse((await post(await asserting())).body)
    const again = await post(await asserting(access_token))
    expect([again.status, JSON.parse(again.body).error]).toEqual([401, 'invalid_client'])
    const { kid } = decodeProtectedHeader(access_token)
    const bundle = await server.admin('spire.api.server.bundle.v1.Bundle').unary('GetBundle', {})
    expect(bundle.jwt_authorities.map(({ key_id }) => key_id)).not.toContain(kid)
    const { keys } = JSON.parse((await ask(port, certificate, '/oauth/jwks')).body)
    expect(keys).toMatchObject([{ kid, use: 'sig', alg: 'ES256' }])
  })
})

describe('a workload with an X.509-SVID', () => {
  test('T30 gets a token that is bound to its certificate, and no other certificate can use it', async () => {
    const identity = ownIdentity()
    const answer = await post({ ...wish, client_id: web }, identity)
    expect(answer.status).toBe(200)
    const { access_token } = JSON.parse(answer.body)
    const leaf = identity.chain[0] ?? Buffer.alloc(0)
    const thumbprint = createHash('sha256').update(leaf).digest('base64url')
    expect(decodeJwt(access_token)).toMatchObject({ cnf: { 'x5t#S256': thumbprint } })
    expect(await verifier.verify(access_token, { certificate: leaf })).toMatchObject({
      subject: web,
      bound: true,
    })
    const thief = await mint(server, '/other')
    for (const shown of [thief.chain[0], undefined]) {
      await expect(verifier.verify(access_token, { certificate: shown })).rejects.toMatchObject({
        reason: 'token-binding',
      })
    }
  })

  test('lives no longer in its token than in its certificate', async () => {
    const identity = await mint(server, '/web', 30)
    const { expires_in } = JSON.parse((await post({ ...wish, client_id: web }, identity)).body)
    expect(expires_in).toBeGreaterThan(0)
    expect(expires_in).toBeLessThanOrEqual(30)
  })
})

test('the library’s client gets tokens by either SVID of its agent, and asks a service with a bound one', async () => {
  const ofIssuer = {
    issuer,
    endpoints: {
      token: `https://localhost:${port}/oauth/token`,
      introspection: `https://localhost:${port}/oauth/introspect`,
      keys: `https://localhost:${port}/oauth/jwks`,
    },
    ca: [readFileSync(certificate.ca, 'utf8')],
  }
  const authorize = matchId(SpiffeId.parse(web))
  const client = new OauthClient({ ...ofIssuer, source: x509, authorize })
  const guard = requireAccessToken({ verifier, scopes: ['orders:read'] })
  const service = createServer({ source: x509, authorize }, (request, response) => {
    void guard(request, response, () => response.end(String(accessOf(request).bound)))
  }).listen(0, '127.0.0.1')
  await once(service, 'listening')
  try {
    const { port: at } = service.address() as AddressInfo
    const answer = await client.call(orders, 'orders:read').fetch(`https://127.0.0.1:${at}/`)
    expect([answer.status, await answer.text()]).toEqual([200, 'true'])
    await expect(client.call(orders, 'orders:write').token()).rejects.toMatchObject({
      reason: 'token-refused',
    })
    const byJwt = new OauthClient({ ...ofIssuer, jwtSource: jwt })
    const { token } = await byJwt.call(orders, 'orders:read').token()
    expect(await verifier.verify(token)).toMatchObject({ subject: web, bound: false })
    const { jwks, introspect } = client
    const asking = createVerifier({ issuer, audience: orders, jwks, introspect })
    expect(await asking.verify(token)).toMatchObject({ subject: web })
    expect(await introspect(`${token}x`)).toBe(false)
    await byJwt.close()
  } finally {
    await client.close()
    service.closeAllConnections()
    await new Promise((resolve) => service.close(resolve))
  }
})

describe('T30 gets no token, and the trail says why:', () => {
  const refusals: readonly {
    readonly who: string
    readonly values: () => Promise<Values>
    readonly identity?: () => Promise<TestIdentity>
    readonly status?: number
    readonly error: string
    readonly reason: string
  }[] = [
    {
      who: 'nobody',
      values: async () => wish,
      ...{ status: 401, error: 'invalid_client', reason: 'client-missing' },
    },
    {
      who: 'a client with a secret',
      values: async () => ({ ...wish, client_id: web, client_secret: 'x' }),
      ...{ status: 401, error: 'invalid_client', reason: 'client-header' },
    },
    ...(
      [
        ['the token endpoint as audience', [`${issuer}/oauth/token`], 'token-audience'],
        ['a slash behind the issuer', [`${issuer}/`], 'token-audience'],
        ['the issuer and another', [issuer, 'https://other.example.org'], 'client-audience'],
      ] as const
    ).map(([who, audience, reason]) => ({
      who: `an assertion with ${who}`,
      values: async () => asserting(await mintJwt(server, '/web', audience)),
      ...{ status: 401, error: 'invalid_client', reason },
    })),
    {
      who: 'an assertion of another type',
      values: async () => ({
        ...(await asserting()),
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      }),
      ...{ status: 401, error: 'invalid_client', reason: 'client-assertion-type' },
    },
    {
      who: 'an assertion whose signature is broken',
      values: async () => {
        const { token } = await jwt.fetchJwtSvid(issuer)
        return asserting(`${token.slice(0, -8)}AAAAAAAA`)
      },
      ...{ status: 401, error: 'invalid_client', reason: 'token-signature' },
    },
    {
      who: 'an ID without an entry',
      values: async () => asserting(await mintJwt(server, '/nobody', [issuer])),
      ...{ status: 401, error: 'invalid_client', reason: 'client-unknown' },
    },
    {
      who: 'a client_id that is another’s',
      values: async () => ({ ...(await asserting()), client_id: 'spiffe://example.org/other' }),
      ...{ status: 401, error: 'invalid_client', reason: 'client-id' },
    },
    {
      who: 'a certificate without client_id',
      values: async () => wish,
      identity: async () => ownIdentity(),
      ...{ status: 401, error: 'invalid_client', reason: 'client-id' },
    },
    {
      who: 'a certificate and an assertion at once',
      values: async () => ({ ...(await asserting()), client_id: web }),
      identity: async () => ownIdentity(),
      ...{ error: 'invalid_request', reason: 'request-two-mechanisms' },
    },
    {
      who: 'no grant',
      values: async () => ({ ...(await asserting()), grant_type: '' }),
      ...{ error: 'invalid_request', reason: 'request-grant-missing' },
    },
    {
      who: 'another grant',
      values: async () => ({ ...(await asserting()), grant_type: 'password' }),
      ...{ error: 'unsupported_grant_type', reason: 'grant-unsupported' },
    },
    {
      who: 'a workload that no policy knows',
      values: async () => asserting(await mintJwt(server, '/other', [issuer])),
      ...{ error: 'invalid_target', reason: 'policy-none' },
    },
    {
      who: 'a scope that the policy does not grant',
      values: async () => ({ ...(await asserting()), scope: 'orders:read orders:write' }),
      ...{ error: 'invalid_scope', reason: 'policy-none' },
    },
    {
      who: 'a scope that the resource does not have, beside one that it has',
      values: async () => ({ ...(await asserting()), scope: 'orders:read orders:delete' }),
      ...{ error: 'invalid_scope', reason: 'scope-unknown' },
    },
    {
      who: 'scopes that two blanks part',
      values: async () => ({ ...(await asserting()), scope: 'orders:read  orders:write' }),
      ...{ error: 'invalid_scope', reason: 'scope-malformed' },
    },
    {
      who: 'scopes that a tab parts',
      values: async () => ({ ...(await asserting()), scope: 'orders:read\torders:read' }),
      ...{ error: 'invalid_scope', reason: 'scope-unknown' },
    },
    {
      who: 'no scope',
      values: async () => ({ ...(await asserting()), scope: '' }),
      ...{ error: 'invalid_scope', reason: 'scope-missing' },
    },
    {
      who: 'an unknown resource',
      values: async () => ({ ...(await asserting()), resource: `${orders}/` }),
      ...{ error: 'invalid_target', reason: 'target-unknown' },
    },
    {
      who: 'two resources',
      values: async () => ({ ...(await asserting()), resource: [orders, orders] }),
      ...{ error: 'invalid_target', reason: 'target-several' },
    },
    ...['grant_type', 'scope', 'client_assertion'].map((name) => ({
      who: `${name} twice`,
      values: async () => {
        const values = await asserting()
        return { ...values, [name]: [values[name] ?? '', values[name] ?? ''] }
      },
      ...{ error: 'invalid_request', reason: 'request-parameter-repeated' },
    })),
  ]

  test.for(refusals)(
    '$who ($reason)',
    async ({ values, identity, status = 400, error, reason }) => {
      const before = trail().length
      const answer = await post(await values(), await identity?.())
      expect(answer.status).toBe(status)
      expect(answer.headers).toMatchObject(keptByNobody)
      const body = JSON.parse(answer.body)
      expect(body.error).toBe(error)
      expect(body).not.toHaveProperty('access_token')
      expect(body.error_description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
      const after = trail().slice(before)
      expect(after.filter(({ kind }) => kind === 'token.denied')).toMatchObject([{ reason }])
      expect(after.filter(({ kind }) => kind === 'token.issued')).toEqual([])
    },
  )

  test('GET, another content type, a body that is too large, an unknown path', async () => {
    const send = async (options: Parameters<typeof ask>[3], path = '/oauth/token') => {
      const { status, body } = await ask(port, certificate, path, options)
      return [status, JSON.parse(body).error]
    }
    const invalid = [400, 'invalid_request']
    expect(await send({})).toEqual(invalid)
    expect(await send({ method: 'PUT', headers: formHeaders, body: 'a=b' })).toEqual(invalid)
    const json = { 'content-type': 'application/json' }
    expect(await send({ method: 'POST', headers: json, body: '{}' })).toEqual(invalid)
    const large = { method: 'POST', headers: formHeaders, body: `a=${'x'.repeat(40_000)}` }
    expect(await send(large)).toEqual([413, 'invalid_request'])
    expect(await send({ method: 'POST', headers: formHeaders, body: '' }, '/oauth')).toEqual([
      404,
      'not found',
    ])
  })

  test('T12 of many requests in one piece a few are served, and the connection is ended', async () => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    const request = 'GET /oauth/jwks HTTP/1.1\r\nhost: as.example.org\r\n\r\n'
    expect(await pipelined(socket, request, 200)).toBeLessThan(20)
  })

  test('T33 certificates of strangers: another CA, one that may sign, and two names', async () => {
    const reasonFor = async (shape: Shape): Promise<string | undefined> => {
      const { privateKey } = await generateKeyPair('ec-p256')
      const holder = partyWith('holder', softwareSigner(privateKey))
      const dates = { notBefore: new Date(Date.now() - 60_000), notAfter: inAnHour() }
      const stranger = await party('stranger')
      const root = await certify(stranger, stranger, { ca: true, ...dates })
      const leaf = await certify(holder, root, { uris: [web], ...dates, ...shape })
      const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
      const identity = { id: SpiffeId.parse(web), chain: [leaf.der], privateKey: pkcs8 }
      const { status, body } = await post({ ...wish, client_id: web }, identity)
      expect([status, JSON.parse(body).error]).toEqual([401, 'invalid_client'])
      return trail().at(-1)?.reason
    }
    expect(await reasonFor({})).toBe('svid-chain-unknown-authority')
    expect(await reasonFor({ ca: true })).toBe('svid-leaf-is-ca')
    expect(await reasonFor({ uris: [web, `${web}2`] })).toBe('svid-uri-count')
    expect(await reasonFor({ uris: ['spiffe://other.example/web'] })).toBe('svid-no-bundle')
  })
})

test('the server says whether a workload can get a scope, by which policy, and what was missing', async () => {
  const explain = (...args: readonly string[]) =>
    runHere([
      'policy',
      'explain',
      ...args,
      '--admin-socket',
      server.config.adminSocket,
      '-o',
      'json',
    ])
  const asked = [web, '--resource', orders, '--scope']
  const yes = JSON.parse((await explain(...asked, 'orders:read')).stdout)
  expect(yes.answers).toMatchObject([
    { allowed: true, deciding: [{ id: 'web-reads-orders', place: 'all.cedar:2' }] },
  ])
  expect(yes.revision).toMatch(/^[0-9a-f]{64}$/)
  const no = JSON.parse((await explain(...asked, 'orders:write')).stdout)
  expect(no.answers).toMatchObject([
    {
      allowed: false,
      reason: 'policy-none',
      nearest: [
        {
          id: 'web-reads-orders',
          missing: ['when { ["orders:read"].containsAll(context.scopes) }'],
        },
      ],
    },
  ])
  const hop = await explain(...asked, 'orders:read', '--subject', `${web}/x`, '--audience', orders)
  expect(JSON.parse(hop.stdout).answers[0].nearest[0].missing).toEqual([
    'action == Action::"issueToken"',
  ])
  const own = ['--client', web, '--audience', orders]
  const revocations = [
    [[web, '--revoke', 'token:j', ...own], 'countersign.own-token'],
    [['--operator', 'uid:0', '--revoke', 'owner:shop'], 'countersign.operator-revokes'],
  ] as const
  for (const [args, policy] of revocations) {
    expect(JSON.parse((await explain(...args)).stdout).answers).toMatchObject([
      { allowed: true, deciding: [{ id: policy }] },
    ])
  }
  const other = await explain(web, '--revoke', 'token:j', '--client', `${web}/x`, '--audience', 'a')
  expect(JSON.parse(other.stdout).answers).toMatchObject([
    { allowed: false, reason: 'policy-none', entryId: expect.any(String) },
  ])
  for (const [args, reason] of [
    [[web, '--integration', 'crm'], 'usage'],
    [[`${web}/none`, '--resource', orders], 'client-unknown'],
    [[web, '--resource', `${orders}/`], 'target-unknown'],
    [[...asked, 'orders:reed'], 'scope-unknown'],
    [[web, '--resource', orders, '--owner', 'x'], 'usage'],
  ] as const) {
    expect((await explain(...args)).stderr).toContain(`error[${reason}]`)
  }
})

test('T30 a workload whose proofs are good once gets another each time, and none works twice', async () => {
  const parent = await agentIdOf(server)
  const { results } = await server.admin('countersign.registry.v1.Registry').unary('BatchCreate', {
    entries: [
      {
        entry: wireEntry({ path: '/once', parent, selectors: [`unix:uid:${process.getuid?.()}`] }),
        jwt_svid_single_use: true,
      },
    ],
  })
  expect(results[0]?.status?.code).toBe(0)
  const spiffeId = SpiffeId.parse('spiffe://example.org/once')
  const fetch = async (): Promise<string> => (await jwt.fetchJwtSvid(issuer, { spiffeId })).token
  await expect.poll(() => fetch().catch(() => '')).not.toBe('')
  const proofs = await Promise.all([fetch(), fetch(), fetch()])
  expect(new Set(proofs.map((proof) => decodeJwt(proof).jti)).size).toBe(3)
  // Over connections of their own, at once; what it may have is another matter.
  const answers = await Promise.all(
    Array.from({ length: 4 }, async () => post(await asserting(proofs[0]))),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([400, 401, 401, 401])
  expect(trail().filter(({ reason }) => reason === 'client-assertion-replayed')).toHaveLength(3)
  expect((await post(await asserting(proofs[1]))).status).toBe(400)
})

test('a policy that comes while the server runs is in force, and on record', async () => {
  // At once or not at all, as the docs say.
  writeFileSync(
    join(policy, 'new'),
    `${allowWeb} @id("never") forbid (principal, action, resource);`,
  )
  const values = await asserting()
  const before = JSON.parse((await post(values)).body).access_token as string
  const { jti } = decodeJwt(before)
  const introspected = async () => {
    const { resource, scope, grant_type, ...proof } = values
    const body = form({ ...proof, token: before })
    const headers = formHeaders
    const answer = await ask(port, certificate, '/oauth/introspect', {
      method: 'POST',
      headers,
      body,
    })
    return JSON.parse(answer.body)
  }
  expect(await introspected()).toMatchObject({ active: true, jti })
  renameSync(join(policy, 'new'), join(policy, 'all.cedar'))
  await expect.poll(async () => (await post(values)).status).toBe(400)
  const entryId = trail().findLast(({ kind }) => kind === 'token.issued')?.['entryId']
  expect(trail().findLast(({ kind }) => kind === 'token.denied')).toMatchObject({
    reason: 'policy-forbids',
    policies: ['never'],
    // Whose it would have been, as of one that was issued.
    ...{ actor: { entryId }, entryId },
  })
  // What was granted before is decided anew.
  await expect.poll(introspected).toEqual({ active: false })
  expect(trail().filter((line) => line.kind === 'revocation.written')).toContainEqual(
    expect.objectContaining({ jti, reason: 'policy-forbids', policies: ['never'] }),
  )
  rmSync(join(policy, 'all.cedar'))
  writeFileSync(join(policy, 'all.cedar'), allowWeb)
  await expect.poll(async () => (await post(values)).status).toBe(200)
})

test('a policy that is mistyped at the start ends the server', async () => {
  const folder = policyFolder(
    '@id("a") permit (principal, action, resource) when { context.ttl > "1" };',
  )
  const data = mkdtempSync(join(tmpdir(), 'cs-'))
  const overrides = { oauth: oauthSettings(certificate, folder) }
  await expect(startServer({ overrides, folder: data })).rejects.toMatchObject({
    reason: 'policy-schema',
  })
  for (const one of [data, folder]) rmSync(one, { recursive: true, force: true })
})

test('the server is ready once tokens can be had, and never where they cannot', async () => {
  const start = async (address?: OauthSettings['address']) => {
    const said: string[] = []
    const log = { ...silentLog, info: (message: string) => void said.push(message) }
    const settings = { ...oauthSettings(certificate, policy), ...(address && { address }) }
    const folder = mkdtempSync(join(tmpdir(), 'cs-'))
    const starting = startServer({ log, folder, overrides: { oauth: settings } })
    const failure = await starting.then(
      (server) => server.remove(),
      ({ message, reason, fix }: CountersignError) => {
        rmSync(folder, { recursive: true, force: true })
        return { message, reason, fix }
      },
    )
    return [failure, ...said.filter((one) => /ready|issued/.test(one))]
  }
  expect(await start()).toEqual([undefined, 'access tokens are issued', 'server is ready'])
  expect(await start({ host: '127.0.0.1', port })).toEqual([
    {
      reason: 'oauth-address',
      message: `cannot listen on oauth.address 127.0.0.1:${port}`,
      fix: 'end the process that listens there, or choose another port',
    },
  ])
})

/** A connection to the server, with a session of before where one is given. */
async function dial(options: ConnectionOptions = {}): Promise<TLSSocket> {
  const at = { host: '127.0.0.1', port, rejectUnauthorized: false, ...options }
  const socket = connect(at)
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

test.for(['/oauth/%74oken', 'https://other.example/oauth/token'])(
  'T28 what is no request is put on record at %s too, and is no failure of the server',
  async (path) => {
    const before = trail().length
    const answer = await ask(port, certificate, path, { method: 'POST' })
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([
      400,
      { error: 'invalid_request' },
    ])
    expect(trail().slice(before)).toMatchObject([{ reason: 'request-malformed' }])
  },
)

test('a body that is too large is refused before its end, whether or not it says how large it is', async () => {
  const head =
    'POST /oauth/token HTTP/1.1\r\nhost: as.example.org\r\ncontent-type: application/x-www-form-urlencoded\r\n'
  const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`
  for (const rest of [
    `content-length: 1000000000\r\n\r\n`,
    `transfer-encoding: chunked\r\n\r\n${chunk}${chunk}`,
  ]) {
    const socket = await dial()
    socket.write(head + rest)
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 413 /)
    expect(trail().at(-1)?.reason).toBe('request-too-large')
    socket.destroy()
  }
})

test.for(['TLSv1.2', 'TLSv1.3'] as const)(
  'T21 no %s session is resumed, in which a certificate of before would be believed',
  async (version) => {
    const { chain, privateKey } = x509.svid()
    const own = {
      ...{ minVersion: version, maxVersion: version, servername: 'as.example.org' },
      ...shownBy({ chain, privateKey }),
    }
    const sessions: Buffer[] = []
    const first = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...own })
    first.on('session', (session: Buffer) => void sessions.push(session)).on('error', () => {})
    await once(first, 'secureConnect')
    first.write('GET /oauth/jwks HTTP/1.1\r\nhost: as.example.org\r\n\r\n')
    await once(first, 'data')
    const kept = first.getSession()
    first.destroy()
    for (const session of [...sessions, ...(kept === undefined ? [] : [kept])]) {
      const again = await dial({ ...own, session })
      expect(again.isSessionReused()).toBe(false)
      again.destroy()
    }
  },
)

test('a client that is late with its request is cut off, and with the server the port is shut', async () => {
  await cutOff
  const path = '/oauth/jwks'
  expect((await ask(port, certificate, path)).status).toBe(200)
  const other = await startTokenServer({ certificate })
  expect((await ask(other.port, certificate, path)).status).toBe(200)
  await other.remove()
  await expect(ask(other.port, certificate, path)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('the keys of access tokens are replaced by hand: the next is published first, and one that is revoked ends its tokens', async () => {
  const typed = async (line: string) => {
    const admin = ['--admin-socket', server.config.adminSocket, '-o', 'json']
    const { code, stdout, stderr } = await runHere([
      'authority',
      'oauth',
      ...line.split(' '),
      ...admin,
    ])
    expect([line, code, stderr]).toEqual([line, 0, ''])
    return JSON.parse(stdout)
  }
  const published = async (): Promise<string[]> => {
    const { body } = await ask(port, certificate, '/oauth/jwks')
    return (JSON.parse(body) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid).sort()
  }
  const issued = async (): Promise<string> =>
    JSON.parse((await post(await asserting())).body).access_token
  const isActive = async (token: string): Promise<unknown> => {
    const { scope: _, resource: __, grant_type: ___, ...proof } = await asserting()
    const options = { method: 'POST', headers: formHeaders, body: form({ ...proof, token }) }
    return JSON.parse((await ask(port, certificate, '/oauth/introspect', options)).body).active
  }
  const [{ id: first }] = await typed('show')
  const old = await issued()
  expect(decodeProtectedHeader(old).kid).toBe(first)
  const { id: next } = await typed('prepare')
  await expect.poll(published).toEqual([first, next].sort())
  await typed(`activate --id ${next}`)
  const fresh = await issued()
  expect(decodeProtectedHeader(fresh).kid).toBe(next)
  expect(await published()).toEqual([first, next].sort())
  expect([await isActive(old), await isActive(fresh)]).toEqual([true, true])
  const jtis = [old, fresh].map((token) => decodeJwt(token).jti)
  const listed = async (): Promise<unknown[]> => {
    const asked = ['grant', 'tokens', '--admin-socket', server.config.adminSocket, '-o', 'json']
    const tokens = JSON.parse((await runHere(asked)).stdout) as { jti: string }[]
    return jtis.map((jti) => tokens.some((token) => token.jti === jti))
  }
  await expect.poll(listed).toEqual([true, true])
  await typed(`taint --id ${first}`)
  await typed(`revoke --id ${first}`)
  await expect.poll(published).toEqual([next])
  expect([await isActive(old), await isActive(fresh)]).toEqual([false, true])
  expect(await listed()).toEqual([false, true])
})

test('metadata and keys say where and how', async () => {
  const { body, headers } = await ask(port, certificate, '/.well-known/oauth-authorization-server')
  expect(headers['cache-control']).toBe('public, max-age=300, must-revalidate')
  expect(JSON.parse(body)).toEqual({
    issuer,
    token_endpoint: `${issuer}/oauth/token`,
    jwks_uri: `${issuer}/oauth/jwks`,
    grant_types_supported: [
      'client_credentials',
      'urn:ietf:params:oauth:grant-type:token-exchange',
    ],
    response_types_supported: ['none'],
    token_endpoint_auth_methods_supported: ['spiffe_jwt', 'spiffe_x509'],
    introspection_endpoint: `${issuer}/oauth/introspect`,
    introspection_endpoint_auth_methods_supported: ['spiffe_jwt', 'spiffe_x509'],
    revocation_endpoint: `${issuer}/oauth/revoke`,
    revocation_endpoint_auth_methods_supported: ['spiffe_jwt', 'spiffe_x509'],
    introspection_signing_alg_values_supported: ['ES256'],
    tls_client_certificate_bound_access_tokens: true,
    scopes_supported: ['orders:read', 'orders:write'],
  })
})

test('an entry that is gone is no client any more, whatever it still holds', async () => {
  const values = await asserting()
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  const list = await entries.unary('ListEntries', {})
  const ids = list.entries.filter(({ spiffe_id }) => spiffe_id?.path === '/web').map(({ id }) => id)
  await entries.unary('BatchDeleteEntry', { ids })
  const answer = await post(values)
  expect([answer.status, trail().at(-1)?.reason]).toEqual([401, 'client-unknown'])
})

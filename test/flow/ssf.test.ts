import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { join } from 'node:path'
import { createLocalJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EventStream } from '../../server/oauth/ssf/settings.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { freePort } from '../support/free-port.ts'
import {
  ask,
  assertionType,
  form,
  formHeaders,
  type HttpAnswer,
  issuer,
  orders,
  resourceOf,
} from '../support/oauth.ts'
import {
  mint,
  mintJwt,
  someAgent,
  type TestIdentity,
  trustDomain,
  wireEntry,
} from '../support/running-server.ts'
import { startTokenServer, type TokenServer } from '../support/token-server.ts'
import { type WebCertificate, webCertificate } from '../support/web-certificate.ts'

const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const credentialChange = 'https://schemas.openid.net/secevent/caep/event-type/credential-change'
const verification = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
const siemAudience = 'https://siem.example.com'
const tokenAudience = 'https://events.example.org'
const hookAudience = 'https://hook.example.com'

/** What the receiver of pushed events was sent. */
interface Pushed {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

let certificate: WebCertificate
let server: TokenServer
let port: number
let monitoring: number
let receiver: Server
let receiverPort: number
let siem: TestIdentity
let stranger: TestIdentity
let pushed: Pushed[] = []
let answer: (response: ServerResponse) => void
let complaints: Record<string, unknown>[] = []

beforeAll(async () => {
  certificate = await webCertificate('as.example.org', 'localhost')
  const policy = `
    @id("web")
    permit (principal == Workload::"spiffe://example.org/web", action == Action::"issueToken", resource);
  `
  writeFileSync(join(certificate.folder, 'authorization'), 'Bearer of-the-receiver\n', {
    mode: 0o600,
  })
  accept()
  receiver = createServer(
    { cert: readFileSync(certificate.certificate), key: readFileSync(certificate.key) },
    (request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += String(chunk)
      })
      request.on('end', () => {
        pushed.push({ path: request.url ?? '', headers: request.headers, body })
        answer(response)
      })
    },
  ).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  receiverPort = (receiver.address() as { port: number }).port
  monitoring = await freePort()
  server = await start(policy)
  port = server.port
  await register('/siem', '/stranger', '/web')
  siem = await mint(server, '/siem')
  stranger = await mint(server, '/stranger')
})

afterAll(async () => {
  receiver?.close().closeAllConnections()
  await server?.remove()
  rmSync(certificate.folder, { recursive: true, force: true })
})

const accept = (): void => {
  answer = (response) => void response.writeHead(202).end()
}

function stream(id: string, audience: string, more: Partial<EventStream> = {}): EventStream {
  return {
    ...{ id, audience, receivers: new Set<SpiffeId>(), subjects: undefined, push: undefined },
    events: new Set(['session-revoked', 'credential-change'] as const),
    ...more,
  }
}

function start(policy: string): Promise<TokenServer> {
  const reach = {
    ...{ webCa: certificate.ca, allowedNetworks: ['127.0.0.0/8'], allowedPorts: undefined },
  }
  const endpoint = `https://localhost:${receiverPort}/hook`
  const authorizationFile = join(certificate.folder, 'authorization')
  const web = ['spiffe://example.org/gone/*']
  const receivers = new Set([SpiffeId.of(trustDomain, '/siem')])
  const inside = { endpoint: `https://localhost:${receiverPort}/inside`, authorizationFile }
  const streams = [
    stream('siem', siemAudience, { receivers }),
    stream('tokens', tokenAudience, { subjects: web, events: new Set(['session-revoked']) }),
    stream('hook', hookAudience, {
      ...{ receivers: new Set([SpiffeId.of(trustDomain, '/web')]), subjects: web },
      push: { endpoint, authorizationFile, reach },
    }),
    stream('inside', hookAudience, {
      push: { ...inside, reach: { ...reach, allowedNetworks: [] } },
    }),
    stream('untrusted', hookAudience, {
      push: { ...inside, reach: { ...reach, webCa: undefined } },
    }),
  ]
  const resources = new Map([
    [orders, resourceOf(orders)],
    [tokenAudience, resourceOf(tokenAudience, { scopes: ['ssf.read', 'other'] })],
  ])
  return startTokenServer({
    ...{ policy, certificate },
    oauth: { resources, streams: new Map(streams.map((one) => [one.id, one])) },
    overrides: { httpAddress: { host: '127.0.0.1', port: monitoring } },
    log: { error: (message, fields) => void complaints.push({ message, ...fields }) },
  })
}

async function register(...paths: readonly string[]): Promise<readonly string[]> {
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', {
      entries: paths.map((path) => wireEntry({ path, parent: someAgent })),
    })
  return results.map(({ entry }) => entry?.id ?? '')
}

/** Registers and deletes entries: the ids of two facts each. */
async function revoke(...paths: readonly string[]): Promise<readonly string[]> {
  const ids = await register(...paths)
  await server.admin('spire.api.server.entry.v1.Entry').unary('BatchDeleteEntry', { ids: [...ids] })
  return ids
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${monitoring}/metrics`)).text()
  const line = text.split('\n').find((one) => one.startsWith(`countersign_server_ssf_${name}`))
  return Number(line?.split(' ').at(-1))
}

const jwtSvid = (path: string, audience = issuer): Promise<string> =>
  mintJwt(server, path, audience)

/** Bound to the certificate of `identity`, where there is one. */
async function accessToken(
  resource: string,
  scope: string,
  identity?: TestIdentity,
): Promise<string> {
  const said: Record<string, string> =
    identity === undefined
      ? { client_assertion_type: assertionType, client_assertion: await jwtSvid('/web') }
      : { client_id: identity.id }
  const wish = { grant_type: 'client_credentials', resource, scope }
  const body = form({ ...said, ...wish })
  const options = { method: 'POST', headers: formHeaders, body, identity }
  const answered = await ask(port, certificate, '/oauth/token', options)
  return (JSON.parse(answered.body) as { access_token: string }).access_token
}

type Caller = { readonly bearer?: string; readonly identity?: TestIdentity } | undefined

function call(path: string, caller: Caller, body?: object): Promise<HttpAnswer> {
  const { identity, bearer } = caller ?? {}
  const byCertificate = identity !== undefined && bearer === undefined
  const client = byCertificate ? `client_id=${identity.id}` : ''
  const joined = client === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${client}`
  return ask(port, certificate, joined, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(identity !== undefined && { identity }),
  })
}

interface Polled {
  readonly sets: Readonly<Record<string, string>>
  readonly moreAvailable?: boolean
}

async function poll(id: string, caller: Caller, body: object): Promise<Polled> {
  const { status, body: text } = await call(`/oauth/ssf/poll/${id}`, caller, body)
  expect(status).toBe(200)
  return JSON.parse(text) as Polled
}

async function verified(token: string, audience: string): Promise<JWTPayload> {
  const keys = JSON.parse((await ask(port, certificate, '/oauth/ssf/keys')).body)
  const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet(keys), {
    ...{ issuer, audience, typ: 'secevent+jwt', algorithms: ['RS256'] },
  })
  expect(protectedHeader.alg).toBe('RS256')
  return payload
}

/** What a receiver polls until there is nothing more, each acknowledged. */
async function drain(id: string, caller: Caller): Promise<readonly string[]> {
  const all: string[] = []
  let ack: string[] = []
  for (;;) {
    const { sets } = await poll(id, caller, { returnImmediately: true, ack })
    ack = Object.keys(sets)
    all.push(...Object.values(sets))
    if (ack.length === 0) return all
  }
}

test('SSF 1.0 §7 a receiver finds the transmitter, its keys, its stream and the stream’s status', async () => {
  const { body } = await ask(port, certificate, '/.well-known/ssf-configuration')
  const said = JSON.parse(body) as Record<string, string>
  expect(said).toMatchObject({ spec_version: '1_0', issuer, default_subjects: 'ALL' })
  const { keys } = JSON.parse((await ask(port, certificate, '/oauth/ssf/keys')).body)
  expect(keys).toMatchObject([{ kty: 'RSA', alg: 'RS256', use: 'sig' }])
  const tokens = JSON.parse((await ask(port, certificate, '/oauth/jwks')).body)
  expect(tokens.keys.map(({ kid }: { kid: string }) => kid)).not.toContain(keys[0].kid)
  const own = JSON.parse((await call('/oauth/ssf/streams', { identity: siem })).body)
  expect(own).toMatchObject([
    {
      ...{ stream_id: 'siem', iss: issuer, aud: siemAudience },
      events_delivered: [sessionRevoked, credentialChange],
      delivery: { method: 'urn:ietf:rfc:8936', endpoint_url: `${issuer}/oauth/ssf/poll/siem` },
    },
  ])
  const status = await call('/oauth/ssf/status?stream_id=siem', { identity: siem })
  expect(JSON.parse(status.body)).toEqual({ stream_id: 'siem', status: 'enabled' })
})

test('RFC 8936 §2 what was revoked is fetched as CAEP events, waited for, and gone once it is acknowledged', async () => {
  await drain('siem', { identity: siem })
  const waiting = poll('siem', { identity: siem }, {})
  const [id] = await revoke('/gone/one')
  const first = await waiting
  const polled = await poll('siem', { identity: siem }, { returnImmediately: true })
  // Not acknowledged: the same again.
  expect(Object.keys(polled.sets)).toEqual(expect.arrayContaining(Object.keys(first.sets)))
  const payloads = await Promise.all(
    Object.values(polled.sets).map((token) => verified(token, siemAudience)),
  )
  const uri = { format: 'uri', uri: `spiffe://${trustDomain}/gone/one` }
  expect(payloads).toMatchObject([
    { sub_id: { format: 'opaque', id }, events: { [sessionRevoked]: {} } },
    { sub_id: uri, events: { [sessionRevoked]: { initiating_entity: 'system' } } },
    {
      sub_id: uri,
      events: { [credentialChange]: { credential_type: 'x509', change_type: 'revoke' } },
    },
  ])
  for (const payload of payloads) {
    expect(payload['txn']).toMatch(/^[0-9a-f]{32}\.[0-9]+$/)
    expect(payload).not.toHaveProperty('sub')
    expect(payload).not.toHaveProperty('exp')
    expect(polled.sets).toHaveProperty(String(payload.jti))
  }
  const [one = '', two = '', three = ''] = Object.keys(polled.sets)
  const setErrs = { [two]: { err: 'invalid_request', description: 'what is this' } }
  const rest = await poll('siem', { identity: siem }, { ack: [one], setErrs, maxEvents: 1 })
  expect(Object.keys(rest.sets)).toEqual([three])
  expect(await poll('siem', { identity: siem }, { ack: [three], maxEvents: 0 })).toEqual({
    sets: {},
  })
  const none = await poll('siem', { identity: siem }, { returnImmediately: true })
  expect(none).toEqual({ sets: {} })
})

test('RFC 8936 §2.2 whoever asks for more than is sent at once hears that there are more', async () => {
  await revoke(...Array.from({ length: 20 }, (_, at) => `/gone/many-${at}`))
  const caller = { identity: siem }
  const most = await poll('siem', caller, { maxEvents: 1e9, returnImmediately: true })
  expect([Object.keys(most.sets).length, most.moreAvailable]).toEqual([50, true])
  const one = await poll('siem', caller, { maxEvents: 1, returnImmediately: true })
  expect([Object.keys(one.sets).length, one.moreAvailable]).toEqual([1, true])
  expect(await drain('siem', caller)).toHaveLength(60)
})

test('an access token for the audience, with the scope ssf.read, opens its stream; it tells what the stream is for', async () => {
  const bearer = await accessToken(tokenAudience, 'ssf.read')
  await drain('tokens', { bearer })
  await revoke('/gone/two', '/other')
  const [token = '', ...others] = await drain('tokens', { bearer })
  expect(others).toEqual([])
  expect(await verified(token, tokenAudience)).toMatchObject({
    sub_id: { uri: `spiffe://${trustDomain}/gone/two` },
  })
})

test('T20 nobody else hears of a stream: neither strangers, nor with a token for something else', async () => {
  const now = { returnImmediately: true }
  const bearing = async (token: Promise<string>) => ({ bearer: await token })
  const web = await mint(server, '/web')
  const bound = await accessToken(tokenAudience, 'ssf.read', web)
  const cases: readonly (readonly [number, string, Caller])[] = [
    [401, 'siem', undefined],
    [401, 'siem', { bearer: 'x' }],
    [401, 'siem', await bearing(jwtSvid('/siem', siemAudience))],
    [401, 'siem', await bearing(jwtSvid('/nobody'))],
    [200, 'siem', await bearing(jwtSvid('/siem'))],
    [403, 'siem', await bearing(jwtSvid('/web'))],
    [403, 'siem', { identity: stranger }],
    [403, 'tokens', { identity: siem }],
    [200, 'tokens', { bearer: bound, identity: web }],
    [401, 'tokens', { bearer: bound, identity: siem }],
    [401, 'tokens', { bearer: bound }],
    [403, 'unknown', { identity: siem }],
    [403, 'siem', await bearing(accessToken(tokenAudience, 'ssf.read'))],
    [403, 'tokens', await bearing(accessToken(tokenAudience, 'other'))],
    [403, 'tokens', await bearing(accessToken(orders, 'orders:read'))],
  ]
  const answers = await Promise.all(
    cases.map(([, id, caller]) => call(`/oauth/ssf/poll/${id}`, caller, now)),
  )
  expect(answers.map(({ status }) => status)).toEqual(cases.map(([status]) => status))
  const refused = await call('/oauth/ssf/status?stream_id=siem', { identity: stranger })
  expect(refused.status).toBe(403)
  const verify = await call('/oauth/ssf/verify', { identity: stranger }, { stream_id: 'siem' })
  expect(verify.status).toBe(403)
  // RFC 6750 §3: whoever is not let in hears how.
  const asked = async (caller: Caller) => {
    const { status, headers } = await call('/oauth/ssf/streams', caller)
    return [status, headers['www-authenticate']]
  }
  expect(await asked(undefined)).toEqual([401, 'Bearer'])
  expect(await asked({ bearer: 'x' })).toEqual([401, 'Bearer error="invalid_token"'])
  expect(await asked({ identity: stranger })).toEqual([403, undefined])
})

test('what is sent to a receiver it does not fetch too', async () => {
  const caller = { bearer: await jwtSvid('/web') }
  const { status, body } = await call('/oauth/ssf/poll/hook', caller, { returnImmediately: true })
  expect([status, JSON.parse(body).error]).toEqual([400, 'invalid_request'])
})

test('T26 whoever is revoked while an answer waits is told nothing by it, nor takes anything from the stream', async () => {
  const [bearer, other] = [
    await accessToken(tokenAudience, 'ssf.read'),
    await accessToken(tokenAudience, 'ssf.read'),
  ]
  await drain('tokens', { bearer: other })
  const waiting = call('/oauth/ssf/poll/tokens', { bearer }, {})
  const said = { client_assertion_type: assertionType, client_assertion: await jwtSvid('/web') }
  const body = form({ ...said, token: bearer })
  const options = { method: 'POST', headers: formHeaders, body }
  expect((await ask(port, certificate, '/oauth/revoke', options)).status).toBe(200)
  await revoke('/gone/three')
  expect((await waiting).status).toBe(401)
  expect(await drain('tokens', { bearer: other })).toHaveLength(1)
})

test('what is no request of RFC 8936 is refused', async () => {
  const at = '/oauth/ssf/poll/siem'
  const caller = { identity: siem }
  for (const body of [
    { maxEvents: -1 },
    { maxEvents: 1.5 },
    { maxEvents: '1' },
    { ack: 'x' },
    { ack: Array.from({ length: 501 }, () => 'x') },
    [],
  ]) {
    expect((await call(at, caller, body)).status).toBe(400)
  }
  expect((await call(at, caller, { ack: ['x'.repeat(40_000)] })).status).toBe(413)
  const asForm = { method: 'POST', headers: formHeaders, body: 'maxEvents=1', identity: siem }
  expect((await ask(port, certificate, `${at}?client_id=${siem.id}`, asForm)).status).toBe(415)
  // And the token endpoint reads no JSON.
  const asJson = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }
  expect((await ask(port, certificate, '/oauth/token', asJson)).status).toBe(400)
})

test('SSF 1.0 §8.1.4 a receiver asks for a verification event, with its state, not too often', async () => {
  const caller = { identity: siem }
  await drain('siem', caller)
  const wish = { stream_id: 'siem', state: 'VGhpcyBpcyBhIHRlc3Q' }
  expect((await call('/oauth/ssf/verify', caller, wish)).status).toBe(204)
  const often = await call('/oauth/ssf/verify', caller, wish)
  expect([often.status, often.headers['retry-after']]).toEqual([429, '10'])
  const [token = ''] = await drain('siem', caller)
  expect(await verified(token, siemAudience)).toMatchObject({
    sub_id: { format: 'opaque', id: 'siem' },
    events: { [verification]: { state: wish.state } },
  })
})

test('RFC 8935 §2 what was revoked is pushed, with the receiver’s own authorization, and again until it is taken', async () => {
  // All of before, two of each workload.
  await eventually(() => new Set(pushed.map(({ body }) => body)).size === 44)
  pushed = []
  // §2.4: only what is no event is given up; whoever has let in nobody may do so another time.
  answer = (response) =>
    pushed.length > 1
      ? void response.writeHead(400).end('{"err":"access_denied"}')
      : void response.writeHead(503).end()
  await revoke('/gone/three')
  await eventually(() => pushed.length >= 2)
  pushed = []
  accept()
  await eventually(() => new Set(pushed.map(({ body }) => body)).size === 2)
  for (const { path, headers, body } of pushed) {
    expect(path).toBe('/hook')
    expect(headers).toMatchObject({
      'content-type': 'application/secevent+jwt',
      authorization: 'Bearer of-the-receiver',
    })
    expect(await verified(body, hookAudience)).toMatchObject({
      sub_id: { uri: `spiffe://${trustDomain}/gone/three` },
    })
  }
})

test('RFC 8935 §2.4 what the receiver says to be no event is given up, and said', async () => {
  pushed = []
  complaints = []
  answer = (response) =>
    void response
      .writeHead(400, { 'content-type': 'application/json' })
      .end('{"err":"invalid_request"}')
  await revoke('/gone/four')
  const said = () => complaints.filter((one) => one['stream'] === 'hook')
  await eventually(() => said().length === 2)
  expect(await metric('events_total{stream="hook",outcome="refused"}')).toBe(2)
  expect(said()).toMatchObject([
    { stream: 'hook', count: 1, reason: 'receiver-refused' },
    { stream: 'hook', count: 1, reason: 'receiver-refused' },
  ])
  expect(pushed).toHaveLength(2)
  accept()
})

test('T8 no push follows a redirect, reads without end, or leads where it is not allowed to', async () => {
  pushed = []
  answer = (response) => void response.writeHead(202).end(Buffer.alloc(2 << 20, ' '))
  await revoke('/gone/five')
  await eventually(() => pushed.length >= 2)
  // The same again: whoever answers so has not taken it.
  expect(new Set(pushed.map(({ body }) => body)).size).toBe(1)
  const to = `https://localhost:${receiverPort}/elsewhere`
  answer = (response) => void response.writeHead(307, { location: to }).end()
  const before = pushed.length
  await eventually(() => pushed.length > before)
  expect(new Set(pushed.map(({ path }) => path))).toEqual(new Set(['/hook']))
  accept()
  await eventually(() => new Set(pushed.map(({ body }) => body)).size === 2)
  // The streams that may not lead into private networks, and to whom nobody trusts, have never reached their receiver.
  expect(pushed.filter(({ path }) => path !== '/hook')).toEqual([])
})

test('a restart of the server loses nothing of what was not taken yet', async () => {
  await drain('siem', { identity: siem })
  pushed = []
  // It takes its time with the first, so that this is under way as the server stops.
  answer = () => {}
  await revoke('/gone/six')
  await eventually(() => pushed.length >= 1)
  const before = await poll('siem', { identity: siem }, { returnImmediately: true })
  await server.stop()
  accept()
  pushed = []
  complaints = []
  server = await server.restart()
  await eventually(() => new Set(pushed.map(({ body }) => body)).size === 2)
  const after = await poll('siem', { identity: siem }, { returnImmediately: true })
  expect(Object.keys(after.sets)).toEqual(Object.keys(before.sets))
  expect(Object.keys(after.sets)).toHaveLength(3)
  // Why nothing comes of the stream into a private network is in the log.
  for (const [id, reason] of [
    ['inside', 'federation-address'],
    ['untrusted', 'federation-certificate'],
  ]) {
    await eventually(() => complaints.some((one) => one['stream'] === id))
    const complaint = complaints.find((one) => one['stream'] === id)
    expect(complaint).toMatchObject({ error: { reason } })
  }
})

// The last one: by its SVIDs the receiver is not let in any more.
test('T26 whoever proves itself by an SVID, and is revoked while an answer waits, is told nothing by it', async () => {
  const caller = { bearer: await jwtSvid('/siem') }
  await drain('siem', caller)
  const waiting = call('/oauth/ssf/poll/siem', caller, {})
  const why = { kind: 'spiffe-id', id: siem.id, reason: 'lost' }
  await server.admin('countersign.revocation.v1.Revocation').unary('Revoke', why)
  expect((await waiting).status).toBe(401)
})

import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { JwtSource, X509Source, type X509Svid } from 'countersign'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { ask, assertionType, form, formHeaders, issuer, orders } from '../support/oauth.ts'
import { type OrdersService, startOrdersService } from '../support/orders-service.ts'
import { PROMPT_MS } from '../support/prompt.ts'
import { reasonOf } from '../support/reason-of.ts'
import { recordsIn } from '../support/records-in.ts'
import { agentIdOf, startAgent } from '../support/running-agent.ts'
import {
  mint,
  mintJwt,
  someAgent,
  type TestIdentity,
  trustDomain,
  wireEntry,
} from '../support/running-server.ts'
import { postAs, type TokenServer } from '../support/token-server.ts'
import type { WebCertificate } from '../support/web-certificate.ts'
import { certify, party } from '../support/x509-fixtures.ts'

let certificate: WebCertificate
let server: TokenServer
let port: number
let service: OrdersService

beforeAll(async () => {
  service = await startOrdersService()
  server = service.server
  certificate = server.certificate
  port = server.port
  await register('/web', '/stranger')
})

afterAll(async () => {
  service?.stop()
  await server?.remove()
})

/** Entries with these paths; their ids. */
async function register(...paths: readonly string[]): Promise<readonly string[]> {
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', {
      entries: paths.map((path) => wireEntry({ path, parent: someAgent })),
    })
  return results.map(({ entry }) => entry?.id ?? '')
}

const jwtSvid = (path: string, audience = issuer): Promise<string> =>
  mintJwt(server, path, audience)

const post = (path: string, caller: string, values: Record<string, string>) =>
  postAs(server, caller, path, values)

/** Not in the second of a revocation, in which no token would live. */
async function newToken(): Promise<string> {
  const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  let token: string | undefined
  await eventually(async () => {
    const { status, body } = await post('/oauth/token', '/web', wish)
    expect([200, 503]).toContain(status)
    token = (JSON.parse(body) as { access_token?: string }).access_token
    return token !== undefined
  })
  return token ?? ''
}

test('RFC 7009 §2 a token that its client revokes is refused by the service, which asks nobody', async () => {
  const [token, other] = [await newToken(), await newToken()]
  expect([await service.verdict(token), await service.verdict(other)]).toEqual([
    'accepted',
    'accepted',
  ])
  const answer = await post('/oauth/revoke', '/web', { token })
  expect([answer.status, answer.body]).toEqual([200, ''])
  expect(answer.headers['cache-control']).toBe('no-store')
  await eventually(async () => (await service.verdict(token)) === 'token-revoked')
  expect(await service.verdict(other)).toBe('accepted')
  expect((await post('/oauth/revoke', '/web', { token })).status).toBe(200)
  expect((await post('/oauth/revoke', '/web', { token: 'unknown' })).status).toBe(200)
})

test('T26 deleting an entry ends its tokens at the service, and its SVID proves nothing any more', async () => {
  const token = await newToken()
  const assertion = await jwtSvid('/web')
  expect(await service.verdict(token)).toBe('accepted')
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  const { entries: all } = await entries.unary('ListEntries', {})
  const id = all.find(({ spiffe_id }) => spiffe_id?.path === '/web')?.id ?? ''
  await entries.unary('BatchDeleteEntry', { ids: [id] })
  await eventually(async () => (await service.verdict(token)) === 'token-revoked', PROMPT_MS)
  // Whoever registers the ID again does not bring the old SVID back to life.
  await register('/web')
  const said = { client_assertion_type: assertionType, client_assertion: assertion }
  const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  const again = { method: 'POST', headers: formHeaders, body: form({ ...said, ...wish }) }
  expect((await ask(port, certificate, '/oauth/token', again)).status).toBe(401)
  // In the second of the deletion nothing is issued that would be dead at once.
  await eventually(async () => (await post('/oauth/token', '/web', wish)).status === 200)
  expect(await service.verdict(await newToken())).toBe('accepted')
})

test('the feed outlives a restart of its server: nothing is forgotten, and it goes on where it stood', async () => {
  const token = await newToken()
  await post('/oauth/revoke', '/web', { token })
  await eventually(async () => (await service.verdict(token)) === 'token-revoked', PROMPT_MS)
  const before = service.feed.size
  server = await server.restart()
  await eventually(() => service.feed.fresh())
  expect(service.feed.size).toBeGreaterThanOrEqual(before)
  expect(await service.verdict(token)).toBe('token-revoked')
  // A reader that begins anew is told as much.
  const fresh = service.newReader()
  const end = new AbortController()
  onTestFinished(() => end.abort())
  void fresh.run(end.signal)
  await eventually(() => fresh.fresh())
  expect(fresh.size).toBe(before)
})

test('without the feed, the service lets nobody in on what it knew 700 ms ago', async () => {
  const token = await newToken()
  const verdict = () => reasonOf(service.verifier.verify(token))
  await eventually(async () => (await verdict()) === 'accepted')
  await server.stop()
  await eventually(async () => (await verdict()) === 'revocation-unknown')
  server = await server.restart()
  await eventually(async () => (await verdict()) === 'accepted')
})

test('a server that cannot read what others have revoked issues nothing and vouches for nothing', async () => {
  const token = await newToken()
  const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  const database = new SqliteDatabase(join(server.folder, 'server', 'store.sqlite'))
  const asked = async (): Promise<readonly number[]> => {
    const issued = post('/oauth/token', '/web', wish)
    const answers = await Promise.all([issued, post('/oauth/introspect', '/orders', { token })])
    return answers.map(({ status }) => status)
  }
  database.exec('alter table changes rename to away')
  await eventually(async () => (await asked()).join() === '503,503')
  database.exec('alter table away rename to changes')
  database.close()
  await eventually(async () => (await asked()).join() === '200,200' && service.feed.fresh())
})

interface Opened {
  readonly status: number
  readonly type: string | undefined
  readonly error: string | undefined
  readonly challenge?: string | undefined
}

/** What the feed answers to a request, without reading it. */
function open(
  headers: Record<string, string>,
  query: string,
  identity?: TestIdentity,
): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const { tls } = service.feedFor(identity ?? service.identity)
    const { ca, ...own } = tls?.() ?? {}
    const url = `https://localhost:${port}/oauth/feed?${query}`
    const options = { ca, agent: false, headers, ...(identity !== undefined && own) }
    const request = httpsRequest(url, options, (response) => {
      const type = response.headers['content-type']
      const { statusCode: status = 0 } = response
      if (status === 200) {
        resolve({ status, type, error: undefined })
        response.destroy()
        return
      }
      let text = ''
      response.on('data', (chunk) => {
        text += String(chunk)
      })
      response.on('end', () => {
        const { error } = JSON.parse(text) as { error?: string }
        resolve({ status, type, error, challenge: response.headers['www-authenticate'] })
      })
    })
    request.on('error', reject)
    request.end()
  })
}

test('the feed is for those who serve a resource, and for nobody else', async () => {
  const nonce = `nonce=${'n'.repeat(22)}`
  const bearer = async (path: string, audience?: string): Promise<Record<string, string>> => ({
    authorization: `Bearer ${await jwtSvid(path, audience)}`,
  })
  const stranger = await mint(server, '/stranger')
  const nobody = await mint(server, '/nobody')
  const none = {}
  const cases: readonly [number, string | undefined, Promise<Opened>][] = [
    [200, undefined, open(await bearer('/orders'), nonce)],
    [200, undefined, open(none, `${nonce}&client_id=${service.identity.id}`, service.identity)],
    [401, 'invalid_client', open(none, nonce)],
    [401, 'invalid_client', open(none, nonce, service.identity)],
    [401, 'invalid_client', open(none, `${nonce}&client_id=${service.identity.id}`, stranger)],
    [401, 'invalid_client', open(none, `${nonce}&client_id=${nobody.id}`, nobody)],
    [401, 'invalid_client', open(await bearer('/orders', 'https://other.example'), nonce)],
    [401, 'invalid_client', open({ authorization: `Bearer ${await newToken()}` }, nonce)],
    [401, 'invalid_client', open({ authorization: 'Basic b3JkZXJzOng=' }, nonce)],
    [
      400,
      'invalid_request',
      open(await bearer('/orders'), `${nonce}&client_id=x`, service.identity),
    ],
    [403, 'access_denied', open(await bearer('/stranger'), nonce)],
    [403, 'access_denied', open(none, `${nonce}&client_id=${stranger.id}`, stranger)],
    [400, 'invalid_request', open(await bearer('/orders'), '')],
    [400, 'invalid_request', open(await bearer('/orders'), 'nonce=short')],
    [400, 'invalid_request', open(await bearer('/orders'), `${nonce}&${nonce}`)],
  ]
  const opened = await Promise.all(cases.map(([, , answer]) => answer))
  expect(opened.map(({ status, error }) => [status, error])).toEqual(
    cases.map(([status, error]) => [status, error]),
  )
  // RFC 9110 §11.6.1, RFC 6750 §3.
  expect(opened.map(({ challenge }) => challenge).filter((one) => one !== undefined)).toEqual([
    ...['Bearer', 'Bearer', 'Bearer', 'Bearer'],
    ...['Bearer error="invalid_token"', 'Bearer error="invalid_token"', 'Basic realm="oauth"'],
  ])
  expect(opened.slice(0, 2).map(({ type }) => type)).toEqual([
    'text/event-stream',
    'text/event-stream',
  ])
  const options = { identity: service.identity, method: 'POST', headers: formHeaders, body: nonce }
  expect((await ask(port, certificate, `/oauth/feed?${nonce}`, options)).status).toBe(404)
})

test('the key of the feed is none of access tokens, nor the other way', async () => {
  const kidsAt = async (path: string): Promise<unknown[]> => {
    const { keys } = JSON.parse((await ask(port, certificate, path)).body) as {
      keys: { kid: string }[]
    }
    return keys.map(({ kid }) => kid)
  }
  const [tokens, feeds] = [await kidsAt('/oauth/jwks'), await kidsAt('/oauth/feed-keys')]
  expect(feeds).toHaveLength(1)
  expect(tokens).toHaveLength(1)
  expect(feeds).not.toEqual(tokens)
  const metadata = JSON.parse(
    (await ask(port, certificate, '/.well-known/oauth-authorization-server')).body,
  ) as Record<string, unknown>
  expect(metadata['revocation_endpoint']).toBe(`${issuer}/oauth/revoke`)
})

test('T20 once its key is revoked the feed goes on under another one, which its readers find by themselves', async () => {
  const kid = async (): Promise<string> => {
    const { body } = await ask(port, certificate, '/oauth/feed-keys')
    return (JSON.parse(body) as { keys: { kid: string }[] }).keys[0]?.kid ?? ''
  }
  const before = await kid()
  const revocation = server.admin('countersign.revocation.v1.Revocation')
  await revocation.unary('Revoke', { kind: 'key', id: before, reason: 'test' })
  expect(await kid()).not.toBe(before)
  await revocation.unary('Revoke', { kind: 'owner', id: 'under-another-key', reason: 'test' })
  // Keys are asked for again no sooner than five seconds after the last time.
  await eventually(() => service.feed.find('owner', 'under-another-key') !== undefined)
  expect(service.feed.find('key', before)).toBeDefined()
  await eventually(() => service.feed.fresh())
})

test('T26 a workload that is registered still has other SVIDs within seconds of a revocation, is refused by those of before, and offboarded gets none', async () => {
  const agent = await startAgent(server)
  onTestFinished(() => agent.stop())
  const parent = await agentIdOf(server)
  const entry = wireEntry({ path: '/again', parent, selectors: [`unix:uid:${process.getuid?.()}`] })
  const { results } = await server
    .admin('countersign.registry.v1.Registry')
    .unary('BatchCreate', { entries: [{ entry, owner: 'team', purpose: 'test' }] })
  const id = results[0]?.entry?.entry?.id ?? ''
  const source = await X509Source.open({ endpoint: `unix://${agent.socket}` })
  onTestFinished(() => source.close())
  const jwts = await JwtSource.open({ endpoint: `unix://${agent.socket}` })
  onTestFinished(() => jwts.close())
  const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  const known = async (proof: Record<string, string>, svid?: X509Svid): Promise<boolean> => {
    const { status, body } = await ask(port, certificate, '/oauth/token', {
      ...{ method: 'POST', headers: formHeaders, body: form({ ...wish, ...proof }) },
      identity: svid && { id: svid.spiffeId, ...svid },
    })
    // No policy gives it anything: who has proved itself hears just that.
    expect([status, JSON.parse(body).error]).toBeOneOf([
      [401, 'invalid_client'],
      [400, 'invalid_target'],
    ])
    return status === 400
  }
  const byCertificate = (svid: X509Svid) => known({ client_id: svid.spiffeId }, svid)
  const byToken = (token: string) =>
    known({ client_assertion_type: assertionType, client_assertion: token })
  const newJwt = async () => (await jwts.fetchJwtSvid(issuer)).token

  const before = { svid: source.svid(), token: await newJwt() }
  expect([await byCertificate(before.svid), await byToken(before.token)]).toEqual([true, true])
  const revocation = server.admin('countersign.revocation.v1.Revocation')
  await revocation.unary('Revoke', { kind: 'entry', id, reason: 'test' })
  expect([await byCertificate(before.svid), await byToken(before.token)]).toEqual([false, false])
  await eventually(() => source.svid() !== before.svid)
  expect(await byCertificate(source.svid())).toBe(true)
  expect(await byToken(await newJwt())).toBe(false)
  jwts.discard(before.token)
  expect(await byToken(await newJwt())).toBe(true)
  expect([await byCertificate(before.svid), await byToken(before.token)]).toEqual([false, false])

  const last = source.svid()
  await revocation.unary('OffboardOwner', { owner: 'team', reason: 'test' })
  await eventually(() => source.state === 'expired')
  expect(await byCertificate(last)).toBe(false)
  const lines = recordsIn(server.config.auditFile)
  const after = lines.slice(lines.findLastIndex(({ kind }) => kind === 'revocation.written'))
  expect(after.filter(({ kind, entryId }) => kind !== 'entry.deleted' && entryId === id)).toEqual(
    [],
  )
})

test('T26 what happens to entries, agents, keys and trust domains reaches the feed by itself', async () => {
  const second = (): number => Math.floor(Date.now() / 1000)
  /** Resolves once a token of these claims, issued before now, is dead at the service. */
  const dies = async (claims: Record<string, unknown>, kind: string): Promise<void> => {
    const token = { iat: second() - 5, ...claims }
    await eventually(() => service.feed.judge(token, 'k') !== undefined)
    expect(service.feed.judge(token, 'k')).toMatchObject({ kind })
  }
  const agent = await server.joinAgent()
  const other = await server.joinAgent()
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  const { results } = await entries.unary('BatchCreateEntry', {
    entries: [agent, other].map(({ id }) => wireEntry({ path: '/on-a-node', parent: id })),
  })
  const [own = '', others = ''] = results.map(({ entry }) => entry?.id ?? '')
  const agents = server.admin('spire.api.server.agent.v1.Agent')
  const wireId = (id: SpiffeId) => ({ trust_domain: trustDomain, path: SpiffeId.pathOf(id) })
  await agents.unary('BanAgent', { id: wireId(agent.id) })
  await dies({ sub: agent.id }, 'node')
  await dies({ entry_id: own }, 'entry')
  expect(service.feed.judge({ entry_id: others, iat: 1 })).toBeUndefined()
  await agents.unary('DeleteAgent', { id: wireId(other.id) })
  await dies({ entry_id: others }, 'entry')

  const bundles = server.admin('spire.api.server.bundle.v1.Bundle')
  const { der } = await certify(await party('partner'), await party('partner'), { ca: true })
  await bundles.unary('BatchSetFederatedBundle', {
    bundle: [{ trust_domain: 'partner.test', x509_authorities: [{ asn1: der }] }],
  })
  const federating = wireEntry({
    ...{ path: '/with-partner', parent: someAgent, federates_with: ['partner.test'] },
  })
  const made = await entries.unary('BatchCreateEntry', { entries: [federating] })
  await bundles.unary('BatchDeleteFederatedBundle', {
    trust_domains: ['partner.test'],
    mode: 'DELETE',
  })
  await dies({ act: { sub: 'spiffe://partner.test/web' } }, 'trust-domain')
  await dies({ entry_id: made.results[0]?.entry?.id }, 'entry')

  const authorities = server.admin('spire.api.server.localauthority.v1.LocalAuthority')
  const { active } = await authorities.unary('GetJWTAuthorityState', {})
  const { prepared_authority } = await authorities.unary('PrepareJWTAuthority', {})
  const next = prepared_authority?.authority_id ?? ''
  await authorities.unary('ActivateJWTAuthority', { authority_id: next })
  await authorities.unary('TaintJWTAuthority', { authority_id: active?.authority_id ?? '' })
  await dies({ sub: 'spiffe://example.org/any' }, 'trust-domain')
  // Tokens are bought anew; the SVIDs, whose authority is as good as before, buy them.
  expect(await service.verdict(await newToken())).toBe('accepted')
  await eventually(() => service.feed.fresh())
})

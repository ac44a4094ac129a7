import { JwtSource, X509Source, type X509Svid } from 'countersign'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { createClient } from '../../src/rpc/client.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { createCsr } from '../../src/x509/csr.ts'
import { generateKeyPair, softwareSigner } from '../../src/x509/key.ts'
import { runHere } from '../support/command.ts'
import { ask, assertionType, form, formHeaders, issuer, orders } from '../support/oauth.ts'
import { type OrdersService, startOrdersService } from '../support/orders-service.ts'
import { PROMPT_MS } from '../support/prompt.ts'
import { reasonOf } from '../support/reason-of.ts'
import { recordsIn } from '../support/records-in.ts'
import { agentIdOf, type RunningAgent, startAgent } from '../support/running-agent.ts'
import { someAgent, trustDomain, wireEntry } from '../support/running-server.ts'
import type { TokenServer } from '../support/token-server.ts'

let server: TokenServer
let service: OrdersService
let agent: RunningAgent
let agentId: SpiffeId

beforeAll(async () => {
  service = await startOrdersService()
  server = service.server
  agent = await startAgent(server)
  // Before another one joins: nobody knows then which is the last of the list.
  agentId = await agentIdOf(server)
})

afterAll(async () => {
  service?.stop()
  await agent?.stop()
  await server?.remove()
})

const registry = () => server.admin('countersign.registry.v1.Registry')

async function register(entry: Record<string, unknown>): Promise<string> {
  const { results } = await registry().unary('BatchCreate', {
    entries: [{ entry, owner: 'team', purpose: 'test' }],
  })
  return results[0]?.entry?.entry?.id ?? ''
}

/** What the token service says to `/web`, which comes with this JWT-SVID or certificate. */
async function tokenFor(proof: Record<string, string>, svid?: X509Svid) {
  const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  const { status, body } = await ask(server.port, server.certificate, '/oauth/token', {
    ...{ method: 'POST', headers: formHeaders, body: form({ ...wish, ...proof }) },
    identity: svid && { id: svid.spiffeId, ...svid },
  })
  return { status, token: (JSON.parse(body) as { access_token?: string }).access_token ?? '' }
}

const byToken = (token: string) =>
  tokenFor({ client_assertion_type: assertionType, client_assertion: token })

const byCertificate = (svid: X509Svid) => tokenFor({ client_id: svid.spiffeId }, svid)

function trail(): readonly Record<string, unknown>[] {
  return recordsIn(server.config.auditFile)
}

test('an entry that is disabled gives nobody anything within a second, and enabled gives it anew; what was before stays dead', async () => {
  const parent = agentId
  const selectors = [`unix:uid:${process.getuid?.()}`]
  const id = await register(wireEntry({ path: '/web', parent, selectors }))
  const source = await X509Source.open({ endpoint: `unix://${agent.socket}` })
  onTestFinished(() => source.close())
  const jwts = await JwtSource.open({ endpoint: `unix://${agent.socket}` })
  onTestFinished(() => jwts.close())
  const newJwt = async () => (await jwts.fetchJwtSvid(issuer)).token
  const before = { svid: source.svid(), jwt: await newJwt() }
  const { token } = await byToken(before.jwt)
  expect(await service.verdict(token)).toBe('accepted')

  const reason = 'key seen in a paste'
  const off = await registry().unary('BatchDisable', { ids: [id], reason })
  expect(off.results[0]?.entry?.disabled_at).not.toBe('0')
  await Promise.all([
    eventually(async () => (await service.verdict(token)) === 'token-revoked', PROMPT_MS),
    eventually(() => source.state === 'expired', PROMPT_MS),
  ])
  jwts.discard(before.jwt)
  expect(await reasonOf(jwts.fetchJwtSvid(issuer))).not.toBe('accepted')
  expect((await byToken(before.jwt)).status).toBe(401)
  expect((await byCertificate(before.svid)).status).toBe(401)
  expect(trail().findLast(({ kind }) => kind === 'token.denied')).toMatchObject({
    ...{ reason: 'entry-disabled', entryId: id, owner: 'team' },
  })

  await registry().unary('BatchEnable', { ids: [id], reason: 'key replaced' })
  // In the second of the disabling nothing is issued that would be dead at once: meanwhile there may be no SVID.
  const isServed = async () =>
    source.state !== 'expired' && (await byCertificate(source.svid())).status === 200
  await eventually(isServed)
  expect((await byToken(await newJwt())).status).toBe(200)
  expect((await byToken(before.jwt)).status).toBe(401)
  expect((await byCertificate(before.svid)).status).toBe(401)
  expect(await service.verdict(token)).toBe('token-revoked')
  const switches = trail().filter(({ kind }) => /^entry\.(dis|en)abled$/.test(String(kind)))
  expect(switches).toMatchObject([
    { kind: 'entry.disabled', entryId: id, owner: 'team', reason, actor: { kind: 'local' } },
    { kind: 'entry.enabled', entryId: id, reason: 'key replaced', actor: { kind: 'local' } },
  ])
})

test('an agent that polls is not told of it, and gets no SVID for it or for what hangs below; SPIRE’s API does not enable it', async () => {
  const polling = await server.joinAgent()
  const id = await register(wireEntry({ path: '/polled', parent: polling.id }))
  const above = SpiffeId.of(trustDomain, '/polled')
  const below = await register(wireEntry({ path: '/below', parent: above }))
  const channel = server.dial(polling)
  const entries = createClient('spire.api.server.entry.v1.Entry', channel)
  const svids = createClient('spire.api.server.svid.v1.SVID', channel)
  const held = async () =>
    (await entries.unary('GetAuthorizedEntries', {})).entries.map((entry) => entry.id).sort()
  const { privateKey } = await generateKeyPair('ec-p256')
  const csr = await createCsr(softwareSigner(privateKey))
  const given = async (entryId: string): Promise<readonly string[]> => {
    const params = [{ entry_id: entryId, csr }]
    const { results } = await svids.unary('BatchNewX509SVID', { params })
    const jwt = svids.unary('NewJWTSVID', { entry_id: entryId, audience: [issuer] })
    return [results[0]?.status?.message ?? '', await reasonOf(jwt)]
  }
  expect(await held()).toEqual([id, below].sort())
  expect(await given(id)).toEqual(['', 'accepted'])

  await registry().unary('BatchDisable', { ids: [id] })
  expect(await held()).toEqual([])
  expect(await given(id)).toEqual(['entry is disabled', 'entry-disabled'])
  expect((await given(below))[1]).toBe('entry-not-authorised')
  expect(trail().findLast(({ kind }) => kind === 'access.denied')?.['reason']).toBeOneOf([
    'entry-disabled',
    'entry-not-authorised',
  ])

  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchUpdateEntry', {
      entries: [{ id, ...wireEntry({ path: '/polled', parent: polling.id }), hint: 'new' }],
    })
  expect(results.map(({ status, entry }) => [status?.code, entry?.hint])).toEqual([[0, 'new']])
  expect(await held()).toEqual([])
  await registry().unary('BatchEnable', { ids: [id] })
  expect(await held()).toEqual([id, below].sort())
  expect(await given(below)).toEqual(['', 'accepted'])
})

test('of an ID that another entry gives too, SVIDs of before prove nothing, and the workloads of the other go on with new ones', async () => {
  const parent = agentId
  const selectors = [`unix:uid:${process.getuid?.()}`]
  await register(wireEntry({ path: '/shared', parent, selectors }))
  const id = await register(wireEntry({ path: '/shared', parent: someAgent }))
  const source = await X509Source.open({ endpoint: `unix://${agent.socket}` })
  onTestFinished(() => source.close())
  const spiffeId = SpiffeId.of(trustDomain, '/shared')
  const current = () => source.svid({ spiffeId })
  await vi.waitFor(current, 30_000)
  // No policy gives it anything: who has proved itself hears just that.
  const known = async (svid: X509Svid) => (await byCertificate(svid)).status === 400
  const before = current()
  expect(await known(before)).toBe(true)
  await registry().unary('BatchDisable', { ids: [id] })
  expect(await known(before)).toBe(false)
  expect(trail().findLast(({ kind }) => kind === 'token.denied')?.['reason']).toBe('svid-revoked')
  await eventually(() => current() !== before)
  const after = current()
  expect(await known(after)).toBe(true)
  await registry().unary('BatchEnable', { ids: [id] })
  expect([await known(after), await known(before)]).toEqual([true, false])
})

test('policy explain says of an entry that is disabled that it is, and asks no policy', async () => {
  const id = await register(wireEntry({ path: '/web', parent: someAgent }))
  const explain = async (...more: readonly string[]): Promise<string> => {
    const asked = ['policy', 'explain', 'spiffe://example.org/web', '--resource', orders]
    const socket = ['--admin-socket', server.config.adminSocket]
    return (await runHere([...asked, '--scope', 'orders:read', ...socket, ...more])).stdout
  }
  const answerOf = async () => {
    const { answers } = JSON.parse(await explain('-o', 'json')) as {
      answers: { entryId: string }[]
    }
    return answers.find(({ entryId }) => entryId === id)
  }
  expect(await answerOf()).toMatchObject({ allowed: true, reason: 'policy-permits' })
  await registry().unary('BatchDisable', { ids: [id] })
  expect(await answerOf()).toEqual({
    ...{ entryId: id, owner: 'team', allowed: false, reason: 'entry-disabled' },
    ...{ deciding: [], nearest: [] },
  })
  expect(await explain()).toMatch(
    new RegExp(
      `^no for entry ${id} of team: entry-disabled\n.*countersign entry enable --id ${id}$`,
      'm',
    ),
  )
})

test('offboarding an owner deletes what is disabled, too', async () => {
  const id = await register(wireEntry({ path: '/left', parent: someAgent }))
  await registry().unary('BatchDisable', { ids: [id] })
  const { entries } = await server
    .admin('countersign.revocation.v1.Revocation')
    .unary('OffboardOwner', { owner: 'team', reason: 'test' })
  expect(entries.map((entry) => entry.id)).toContain(id)
  expect(await reasonOf(registry().unary('Get', { id }))).toBe('entry-not-found')
})

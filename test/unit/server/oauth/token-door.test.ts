import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { RateLimiter } from '../../../../server/access/limits.ts'
import { createIssuedTokens } from '../../../../server/oauth/issued-tokens.ts'
import { createRefusalRecord } from '../../../../server/oauth/refusals.ts'
import { createTokenDoor, type TokenDoorDeps } from '../../../../server/oauth/token-door.ts'
import { type IssuedToken, listIssuedTokens } from '../../../../server/store/issued-tokens.ts'
import type { Decision } from '../../../../src/policy/question.ts'
import { RevocationState } from '../../../../src/revocation/state.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { TestTrustDomain } from '../../../../src/testing/trust-domain.ts'
import { assertionType, form, issuer, orders, resourceOf } from '../../../support/oauth.ts'
import { type RunningCa, startCa, temporaryFolder } from '../ca/ca-fixture.ts'
import { entryOf } from '../entry/samples.ts'

const spiffeId = SpiffeId.parse('spiffe://example.org/web')
const permitted: Decision = { allowed: true, reason: 'policy-permits', policies: ['yes'] }
const refused: Decision = { allowed: false, reason: 'policy-forbids', policies: ['no'] }

async function start(closing: AsyncDisposableStack, more: Partial<TokenDoorDeps> = {}) {
  const folder = closing.use(await temporaryFolder())
  const clock = new FakeClock()
  const running = closing.use(
    await startCa({ folder: folder.path, clock, settings: { oauth: true } }),
  )
  await running.caughtUp()
  const { ca, bundles, trail } = running
  const append: typeof trail.append = (events) => trail.append(events)
  const server = createTokenDoor({
    ...{ ca, bundles, clock, log: silentLog },
    revocations: new RevocationState(),
    issuedAtOf: (_id, notBefore) => notBefore,
    settings: { issuer, resources: new Map([[orders, resourceOf(orders)]]) },
    entriesOf: () => [entryOf({ id: 'web', spiffeId })],
    policies: { decide: () => permitted, revision: 'r' },
    issued: { ready() {}, note() {} },
    refusals: createRefusalRecord({ append, clock }),
    calls: new RateLimiter({ perSecond: 1000, burst: 1000 }, clock),
    ...more,
  })
  const ask = async (assertion: string, more: Record<string, string> = {}) => {
    const body = form({
      ...{ grant_type: 'client_credentials', resource: orders, scope: 'orders:read' },
      ...{ client_assertion_type: assertionType, client_assertion: assertion },
      ...more,
    })
    const request = { body, authorization: undefined, chain: [], address: '10.0.0.1:4000' }
    const { status, body: answer, headers } = await server.answer(request)
    const said: { access_token?: string; error?: string } = JSON.parse(answer)
    return { ...said, status, headers }
  }
  const records = (): readonly Record<string, unknown>[] =>
    readFileSync(join(folder.path, 'one.log'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  return { ...running, clock, server, ask, records }
}

async function assertionOf({ ca }: Pick<RunningCa, 'ca'>, ttlSeconds = 300): Promise<string> {
  const audit = { actor: { kind: 'server' } } as const
  return (await ca.issueJwt({ spiffeId, audience: [issuer], ttlSeconds, audit })).token
}

test('what cannot be put on record is not issued, and not refused with a reason either', async () => {
  await using closing = new AsyncDisposableStack()
  const world = await start(closing)
  const assertion = await assertionOf(world)
  expect((await world.ask(assertion)).status).toBe(200)
  await world.trail[Symbol.asyncDispose]()
  for (const said of [{}, { scope: 'unknown' }]) {
    const answer = await world.ask(assertion, said)
    expect(answer).toMatchObject({ status: 503, error: 'temporarily_unavailable' })
    expect(answer.headers['retry-after']).toBe('1')
    expect(answer).not.toHaveProperty('access_token')
  }
})

test('a token ends with the assertion behind it, and an assertion that is over buys none', async () => {
  await using closing = new AsyncDisposableStack()
  const world = await start(closing)
  const assertion = await assertionOf(world, 100)
  await world.clock.advance(40_000)
  const { access_token = '' } = await world.ask(assertion)
  expect(decodeJwt(access_token).exp).toBe(decodeJwt(assertion).exp)
  // Within the leeway that a clock is given, for which a token could not last.
  await world.clock.advance(70_000)
  expect(await world.ask(assertion)).toMatchObject({ status: 401, error: 'invalid_client' })
  expect(world.records().at(-1)).toMatchObject({ kind: 'token.denied', reason: 'svid-ending' })
  await world.clock.advance(60_000)
  expect((await world.ask(assertion)).status).toBe(401)
  expect(world.records().at(-1)).toMatchObject({ reason: 'token-expired' })
})

test('the key of a trust domain that is federated with speaks for none of ours, and its own are no clients', async () => {
  await using closing = new AsyncDisposableStack()
  const clock = new FakeClock()
  const other = await TestTrustDomain.create('other.example', clock)
  const world = await start(closing, {
    bundles: { bundleOf: (name) => (name === other.name ? other.bundle : own(name)) },
    entriesOf: (id) => (id === spiffeId ? [entryOf({ id: 'web', spiffeId })] : []),
  })
  function own(name: Parameters<RunningCa['bundles']['bundleOf']>[0]) {
    return world.bundles.bundleOf(name)
  }
  for (const [id, reason] of [
    [spiffeId, 'token-key'],
    [SpiffeId.parse('spiffe://other.example/web'), 'client-unknown'],
  ] as const) {
    const assertion = await other.issueJwt(id, issuer)
    expect(await world.ask(assertion)).toMatchObject({ status: 401, error: 'invalid_client' })
    expect(world.records().at(-1)).toMatchObject({ kind: 'token.denied', reason })
  }
})

test('where several entries carry the ID, each has to be permitted, and too many are nobody', async () => {
  await using closing = new AsyncDisposableStack()
  const entries = ['web-team', 'other-team'].map((owner) => entryOf({ id: owner, spiffeId, owner }))
  const decide: TokenDoorDeps['policies']['decide'] = (question) =>
    question.action === 'issueToken' && question.entry.owner === 'web-team' ? permitted : refused
  let count = 1
  const world = await start(closing, {
    policies: { decide, revision: 'r' },
    entriesOf: () => Array.from({ length: count }, (_, i) => entries[i === 0 ? 0 : 1] ?? []).flat(),
  })
  const assertion = await assertionOf(world)
  expect((await world.ask(assertion)).status).toBe(200)
  for (const [more, status] of [
    [2, 400],
    [17, 401],
  ] as const) {
    count = more
    expect((await world.ask(assertion)).status).toBe(status)
  }
})

test('of a flood of strangers, or of a known client, a part is on record, and then how many were left out', async () => {
  await using closing = new AsyncDisposableStack()
  const world = await start(closing, { policies: { decide: () => refused, revision: 'r' } })
  const assertion = await assertionOf(world)
  const before = world.records().length
  for (let i = 0; i < 80; i += 1) expect((await world.ask('x')).status).toBe(401)
  expect(world.records().length - before).toBe(50)
  for (let i = 0; i < 130; i += 1) expect((await world.ask(assertion)).status).toBe(400)
  const told = world.records().slice(before + 50)
  expect(told).toHaveLength(100)
  expect(told[0]).toMatchObject({ spiffeId, reason: 'policy-forbids', details: { leftOut: 30 } })
  expect(told[1]).not.toHaveProperty('details.leftOut')
})

test('a client, and an address, that asks too often is told when to come again, and that is not on record', async () => {
  await using closing = new AsyncDisposableStack()
  const clock = new FakeClock()
  const world = await start(closing, {
    calls: new RateLimiter({ perSecond: 1, burst: 2 }, clock),
  })
  const assertion = await assertionOf(world)
  expect((await world.ask(assertion)).status).toBe(200)
  expect((await world.ask(assertion)).status).toBe(200)
  const before = world.records().length
  const answer = await world.ask(assertion)
  expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
  expect(world.records()).toHaveLength(before)
})

test('a token says which entry it is for, who answers for that, and starts a transaction of its own', async () => {
  await using closing = new AsyncDisposableStack()
  const entry = entryOf({ id: 'e1', spiffeId, owner: 'web-team', purpose: 'reads orders' })
  const world = await start(closing, { entriesOf: () => [entry] })
  const assertion = await assertionOf(world)
  const claims = []
  for (let i = 0; i < 2; i += 1) {
    const { access_token = '' } = await world.ask(assertion)
    claims.push(decodeJwt(access_token))
  }
  expect(claims[0]).toEqual({
    ...{ iss: issuer, sub: spiffeId, client_id: spiffeId, aud: orders, scope: 'orders:read' },
    ...{ iat: expect.any(Number), exp: expect.any(Number), jti: expect.any(String) },
    ...{ txn: expect.any(String), entry_id: 'e1', owner: 'web-team', purpose: 'reads orders' },
  })
  expect(claims[1]?.['txn']).not.toBe(claims[0]?.['txn'])
  expect(world.records().at(-1)).toMatchObject({ transaction: claims[1]?.['txn'] })
})

test('RFC 8705 a resource whose tokens are bound gives none to a client without a certificate', async () => {
  await using closing = new AsyncDisposableStack()
  const resources = new Map([[orders, resourceOf(orders, { requireCnf: true })]])
  const world = await start(closing, { settings: { issuer, resources } })
  const answer = await world.ask(await assertionOf(world))
  expect(answer).toMatchObject({ status: 400, error: 'invalid_target' })
  expect(world.records().at(-1)).toMatchObject({
    kind: 'token.denied',
    reason: 'target-needs-certificate',
    details: { door: 'token' },
  })
})

test('what was issued is noted for the lists, and while the store takes nothing, nothing is issued', async () => {
  await using closing = new AsyncDisposableStack()
  const folder = closing.use(await temporaryFolder())
  const clock = new FakeClock()
  const store = closing.use(await startCa({ folder: folder.path, clock })).store
  let fails = false
  const issued = createIssuedTokens({
    store: { write: (job) => (fails ? Promise.reject(new Error('full')) : store.write(job)) },
    clock,
    log: silentLog,
  })
  const world = await start(closing, { issued })
  const assertion = await assertionOf(world)
  const { access_token = '' } = await world.ask(assertion)
  const { jti, txn } = decodeJwt<{ txn: string }>(access_token)
  fails = true
  await issued.flush()
  fails = false
  await issued.flush()
  const page = { now: clock.now(), limit: 10 }
  expect(await listIssuedTokens(store.db, { spiffeId }, page)).toMatchObject([
    { jti, txn, parent: undefined, subject: spiffeId, clientId: spiffeId, audience: orders },
  ])
  fails = true
  for (let i = 0; i < 10_000; i += 1) issued.note(noted(String(i)))
  expect(await world.ask(assertion)).toMatchObject({ status: 503 })
})

function noted(jti: string): IssuedToken {
  return {
    ...{ jti, txn: jti, parent: undefined, entryId: 'e', owner: '', subject: spiffeId },
    ...{ clientId: spiffeId, audience: orders, scopes: ['a'], auth: 'spiffe_jwt', actors: [] },
    ...{ issuedAt: new Date(0), expiresAt: new Date(1) },
  }
}

import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import {
  createRevocationDoor,
  type RevocationDoorDeps,
} from '../../../../server/oauth/revocation-door.ts'
import { createRevocations } from '../../../../server/revocation/revocations.ts'
import { factWriter } from '../../../../server/revocation/write-facts.ts'
import { factsAfter } from '../../../../server/store/revocation-facts.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { builtInPolicies } from '../../../../src/policy/built-in.ts'
import { createPolicyEngine } from '../../../../src/policy/engine.ts'
import type { PolicyQuestion } from '../../../../src/policy/question.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { orders } from '../../../support/oauth.ts'
import { entryOf, idOf } from '../entry/samples.ts'
import { permitted, refused, send, startWorld, web, wish } from './oauth-world.ts'

async function start(closing: AsyncDisposableStack, more: Partial<RevocationDoorDeps> = {}) {
  const world = await startWorld(closing, {
    entriesOf: (spiffeId) => [entryOf({ id: 'e', spiffeId, owner: 'web-team' })],
  })
  const { store, clock, deps } = world
  const revocations = createRevocations({
    clock,
    write: factWriter({
      trustDomain: TrustDomain.parse('example.org'),
      clock,
      proofSeconds: 86_400,
    }),
  })
  const engine = createPolicyEngine()
  engine.load(builtInPolicies({ separateEnvironments: false }))
  const door = createRevocationDoor({
    ...{ ...deps, store, revocations },
    policies: { revision: 'r', decide: (question) => engine.decide(question, clock.now()) },
    changes: { reached: async () => {} },
    ...more,
  })
  const { access_token: token = '' } = await send(world.server, await world.asserting(web), wish)
  return {
    ...world,
    token,
    claims: decodeJwt<{ txn: string; owner?: string }>(token),
    door,
    revoke: async (caller: typeof web, values: Record<string, string>) =>
      send(door, await world.asserting(caller), values),
    facts: async () => (await factsAfter(store.db, 0, 100)).facts,
  }
}

test('RFC 7009 §2.1 a client revokes its own token, with all that was bought with it, on record', async () => {
  await using closing = new AsyncDisposableStack()
  const { revoke, token, claims, facts, records } = await start(closing)
  const { status, text, headers } = await revoke(web, { token, token_type_hint: 'refresh_token' })
  expect([status, text, headers['cache-control']]).toEqual([200, '', 'no-store'])
  expect(await facts()).toMatchObject([{ kind: 'transaction', id: claims.txn, notBefore: 0 }])
  expect(records().at(-1)).toMatchObject({
    kind: 'revocation.written',
    spiffeId: web,
    decision: 'allow',
    policies: ['countersign.own-token'],
  })
})

test('RFC 7009 §2.1 a token that is somebody else’s is revoked where a policy permits it, and else not', async () => {
  await using closing = new AsyncDisposableStack()
  const { revoke, token, claims, facts, records } = await start(closing)
  expect(await revoke(idOf('/stranger'), { token })).toMatchObject({
    ...{ status: 400, error: 'unauthorized_client' },
    error_description: 'the policy does not let this client end this token',
  })
  expect(await facts()).toEqual([])
  expect(records().at(-1)).toMatchObject({
    ...{ kind: 'revocation.denied', reason: 'policy-none', actor: { id: idOf('/stranger') } },
    // Whose token he wanted to end, and which.
    ...{ spiffeId: web, owner: 'web-team', jti: claims.jti, transaction: claims.txn },
    audience: [orders],
  })
  const policies = { revision: 'r', decide: () => permitted }
  const other = await start(closing, { policies })
  expect((await other.revoke(idOf('/stranger'), { token: other.token })).status).toBe(200)
  expect(await other.facts()).toHaveLength(1)
  expect(other.records().at(-1)).toMatchObject({ policies: ['yes'] })
})

test('RFC 7009 §2.2.1 where the server cannot say what a token is it does not say that it is revoked', async () => {
  await using closing = new AsyncDisposableStack()
  const away = new CountersignError('unavailable', 'not now', { reason: 'changes-behind' })
  const { revoke, token, facts } = await start(closing, {
    tokens: { read: () => Promise.reject(away) },
  })
  expect(await revoke(web, { token })).toMatchObject({
    ...{ status: 503, error: 'temporarily_unavailable' },
    headers: { 'retry-after': '1' },
  })
  expect(await facts()).toEqual([])
})

test('a policy is told whose token it is, for what, and who answers for it', async () => {
  await using closing = new AsyncDisposableStack()
  const asked: PolicyQuestion[] = []
  const decide = (question: PolicyQuestion) => {
    asked.push(question)
    return permitted
  }
  const { revoke, token, claims } = await start(closing, { policies: { revision: 'r', decide } })
  expect(claims.owner).toBe('web-team')
  expect((await revoke(idOf('/stranger'), { token })).status).toBe(200)
  expect(asked).toMatchObject([
    {
      ...{ action: 'revoke', by: { entry: { spiffeId: idOf('/stranger') } } },
      target: { kind: 'token', id: claims.jti, client: web, audience: orders, owner: 'web-team' },
    },
  ])
})

test('where several entries carry the ID, each has to be permitted', async () => {
  await using closing = new AsyncDisposableStack()
  const entriesOf = (id: typeof web) =>
    ['one', 'two'].map((owner) => entryOf({ id: owner, spiffeId: id, owner }))
  const decide: RevocationDoorDeps['policies']['decide'] = (question) =>
    question.action === 'revoke' && 'entry' in question.by && question.by.entry.owner === 'one'
      ? permitted
      : refused
  const { revoke, token, facts } = await start(closing, {
    ...{ entriesOf, policies: { revision: 'r', decide } },
  })
  expect(await revoke(idOf('/stranger'), { token })).toMatchObject({
    ...{ status: 400, error: 'unauthorized_client' },
    error_description: 'the policy does not let this client end this token',
  })
  expect(await facts()).toEqual([])
})

test('T26 it is answered once this server refuses the token, and not before', async () => {
  await using closing = new AsyncDisposableStack()
  const known = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<number>()
  const reached = (position: number): Promise<void> => {
    asked.resolve(position)
    return known.promise
  }
  const { revoke, token } = await start(closing, { changes: { reached } })
  let answered = false
  const answer = revoke(web, { token }).finally(() => {
    answered = true
  })
  expect(await asked.promise).toBeGreaterThan(0)
  await new Promise(setImmediate)
  expect(answered).toBe(false)
  known.resolve()
  expect((await answer).status).toBe(200)
})

test('RFC 7009 §2.2 what is no good token is answered as done, and nothing is written', async () => {
  await using closing = new AsyncDisposableStack()
  const { revoke, token, clock, facts } = await start(closing)
  for (const one of ['x', `${token}x`, token.slice(0, -3), 'x'.repeat(9000)]) {
    expect((await revoke(web, { token: one })).status).toBe(200)
  }
  await clock.advance(301_000)
  expect((await revoke(web, { token })).status).toBe(200)
  expect(await facts()).toEqual([])
  expect(await revoke(web, {})).toMatchObject({ status: 400, error: 'invalid_request' })
})

test('what is revoked is not revoked in silence: without the trail it is not done', async () => {
  await using closing = new AsyncDisposableStack()
  const { door, asserting, token, trail, facts } = await start(closing)
  const proof = await asserting(web)
  await trail[Symbol.asyncDispose]()
  expect((await send(door, proof, { token })).status).toBe(503)
  expect(await facts()).toEqual([])
})

test('a token that was exchanged does not end its transaction', async () => {
  await using closing = new AsyncDisposableStack()
  const { token, claims } = await start(closing)
  const shown = {
    ...{ claims: { ...claims, act: { sub: web } }, keyId: 'k', jti: 'one', txn: 'shared' },
    ...{
      subject: web,
      clientId: web,
      audience: orders,
      scopes: [],
      actors: [web],
      expiresAt: new Date(5_000_500),
    },
  }
  const { revoke, facts } = await start(closing, {
    tokens: { read: async () => shown } as unknown as RevocationDoorDeps['tokens'],
  })
  expect((await revoke(web, { token })).status).toBe(200)
  expect(await facts()).toMatchObject([{ kind: 'token', id: 'one', endsAt: 5001 + 60 }])
})

test('T12 a client writes so many facts at once, and is told when it may write more', async () => {
  await using closing = new AsyncDisposableStack()
  const { revoke, token, clock, records } = await start(closing, { calls: { take() {} } })
  const statuses = new Map<number, number>()
  for (let at = 0; at < 1001; at += 1) {
    const { status } = await revoke(web, { token })
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  expect(Object.fromEntries(statuses)).toEqual({ 200: 1000, 503: 1 })
  const waits = await revoke(web, { token })
  expect(waits.headers['retry-after']).toBe('1')
  await clock.advance(1000)
  expect((await revoke(web, { token })).status).toBe(200)
  // Another client has room of its own, and what is no token of anybody takes none.
  expect((await revoke(web, { token: 'x' })).status).toBe(200)
  expect(records().filter(({ reason }) => reason === 'rate-limited')).toEqual([])
})

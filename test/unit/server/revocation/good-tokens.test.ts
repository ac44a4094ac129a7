import { expect, test } from 'vitest'
import { goodTokens, grantsOf } from '../../../../server/revocation/good-tokens.ts'
import type { IssuedToken } from '../../../../server/store/issued-tokens.ts'
import type { Fact } from '../../../../src/revocation/fact.ts'
import { RevocationState } from '../../../../src/revocation/state.ts'
import type { Clock } from '../../../../src/runtime/clock.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { addTokens, tempStore } from '../store/fixture.ts'

const now = new Date('2026-06-01T12:00:00Z')
const web = SpiffeId.parse('spiffe://example.org/web')
const orders = SpiffeId.parse('spiffe://example.org/orders')

function aToken(jti: string, changed: Partial<IssuedToken> = {}): IssuedToken {
  return {
    ...{ jti, txn: `txn-${jti}`, parent: undefined, entryId: 'e1', owner: 'web-team' },
    ...{ subject: web, clientId: web, audience: 'https://orders.example', auth: 'spiffe_jwt' },
    ...{ address: '10.0.0.1:4000', scopes: ['read', 'write'], actors: [], issuedAt: now },
    keyId: 'k1',
    expiresAt: new Date(now.getTime() + 60_000),
    ...changed,
  }
}

const later = new Date(now.getTime() + 90_000)
const exchanged = aToken('c', {
  ...{ txn: 'txn-a', parent: 'a', clientId: orders, entryId: 'e2', owner: 'orders-team' },
  ...{ audience: 'https://stock.example', scopes: ['read'], actors: [orders, web] },
})

/** What is good of these tokens where that was revoked. */
async function world(tokens: readonly IssuedToken[], facts: readonly Omit<Fact, 'endsAt'>[] = []) {
  const store = await tempStore()
  await addTokens(store, tokens)
  const state = new RevocationState()
  for (const fact of facts) state.apply({ ...fact, endsAt: Infinity })
  return (at: Date, after?: string, clock: Clock = new FakeClock(at)) =>
    goodTokens(store.db, {}, { clock, after }, state)
}

const second = now.getTime() / 1000

test('a grant is one line for however many tokens, with the end of the last', async () => {
  const good = await world([aToken('a'), aToken('b', { expiresAt: later }), exchanged])
  expect(await grantsOf(good(now), 10)).toStrictEqual([
    {
      ...{ clientId: orders, subject: web, audience: 'https://stock.example', scopes: ['read'] },
      ...{ entryId: 'e2', owner: 'orders-team', tokens: 1, expiresAt: exchanged.expiresAt },
    },
    {
      ...{ clientId: web, subject: web, audience: 'https://orders.example' },
      ...{ scopes: ['read', 'write'], entryId: 'e1', owner: 'web-team' },
      ...{ tokens: 2, expiresAt: later },
    },
  ])
  expect(await grantsOf(good(now), 1)).toMatchObject([{ tokens: 2 }])
  expect(await grantsOf(good(later), 10)).toEqual([])
})

test.each<[string, Omit<Fact, 'endsAt'>]>([
  ['bc', { kind: 'token', id: 'a', notBefore: 0 }],
  ['b', { kind: 'transaction', id: 'txn-a', notBefore: 0 }],
  ['c', { kind: 'entry', id: 'e1', notBefore: second }],
  ['abc', { kind: 'entry', id: 'e1', notBefore: second - 1 }],
  ['ab', { kind: 'owner', id: 'orders-team', notBefore: second }],
  ['ab', { kind: 'spiffe-id', id: orders, notBefore: second }],
  ['', { kind: 'trust-domain', id: 'example.org', notBefore: second }],
  ['ac', { kind: 'key', id: 'k2', notBefore: Infinity }],
])('what is revoked is left out: %s where %o', async (left, fact) => {
  const good = await world([aToken('a'), aToken('b', { keyId: 'k2' }), exchanged], [fact])
  const ids = []
  for await (const { jti } of good(now)) ids.push(jti)
  expect(ids.join('')).toBe(left)
})

test('of very many each is looked at once, from where the last page ended', async () => {
  const ids = Array.from({ length: 2500 }, (_, at) => String(at).padStart(4, '0'))
  const facts = ids
    .filter((_, at) => at % 10 > 0)
    .map((id) => ({ kind: 'token', id, notBefore: 0 }) as const)
  const good = await world(
    ids.map((jti) => aToken(jti)),
    facts,
  )
  const places = new Map<string, string>()
  for await (const { jti, place } of good(now)) places.set(jti, place)
  const found = []
  for await (const { jti } of good(now, places.get('1000'))) found.push(jti)
  expect([found.length, found[0], found.at(-1)]).toEqual([149, '1010', '2490'])
})

test('of very many each page is followed by the turn of others where it took long', async () => {
  const ids = Array.from({ length: 15_000 }, (_, at) => String(at).padStart(5, '0'))
  const good = await world(ids.map((jti) => aToken(jti)))
  const clock = new FakeClock(now)
  let ms = 0
  const slow = { now: () => clock.now(), monotonicMs: () => (ms += 10) } as unknown as Clock
  let turns = 0
  const turn = (): void => {
    turns += 1
    next = setImmediate(turn)
  }
  let next = setImmediate(turn)
  let found = 0
  for await (const _ of good(now, undefined, slow)) found += 1
  clearImmediate(next)
  expect(found).toBe(ids.length)
  expect(turns).toBeGreaterThan(20)
})

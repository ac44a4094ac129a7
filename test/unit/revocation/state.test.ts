import { expect, test } from 'vitest'
import { type Fact, type FactKind, headAfter } from '../../../src/revocation/fact.ts'
import { RevocationState } from '../../../src/revocation/state.ts'

const web = 'spiffe://example.org/web'
const claims = {
  ...{
    jti: 'j1',
    txn: 't1',
    sub: web,
    client_id: web,
    aud: 'https://orders.example.org',
    iat: 1000,
  },
  ...{ entry_id: 'e1', owner: 'web-team' },
  act: {
    sub: 'spiffe://example.org/middle',
    act: { sub: 'spiffe://partner.test/first' },
  },
}

function fact(kind: FactKind, id: string, notBefore = 1000, endsAt = 5000): Fact {
  return { kind, id, notBefore, endsAt }
}

function stateOf(...facts: readonly Fact[]): RevocationState {
  const state = new RevocationState()
  for (const one of facts) state.apply(one)
  return state
}

test.each<[FactKind, string]>([
  ['token', 'j1'],
  ['transaction', 't1'],
  ['spiffe-id', web],
  ['spiffe-id', 'spiffe://example.org/middle'],
  ['spiffe-id', 'spiffe://partner.test/first'],
  ['entry', 'e1'],
  ['owner', 'web-team'],
  ['audience', 'https://orders.example.org'],
  ['integration', 'https://orders.example.org'],
  ['key', 'k1'],
  ['trust-domain', 'example.org'],
  ['trust-domain', 'partner.test'],
  ['node', web],
])('a fact of the kind %s hits what it names: %s', (kind, id) => {
  expect(stateOf(fact(kind, id)).judge(claims, 'k1')).toMatchObject({ kind, id })
  expect(stateOf(fact(kind, `${id}x`)).judge(claims, 'k1')).toBeUndefined()
})

test('an epoch ends what was issued in its second or before, and nothing of the next', () => {
  const state = stateOf(fact('spiffe-id', web, 1000))
  expect(state.judge({ ...claims, iat: 999 })).toBeDefined()
  expect(state.judge({ ...claims, iat: 1000 })).toBeDefined()
  expect(state.judge({ ...claims, iat: 1001 })).toBeUndefined()
})

test('a token that does not say when it was issued, or says it oddly, is older than any epoch', () => {
  const state = stateOf(fact('owner', 'web-team', 1))
  for (const iat of [undefined, '2000', null, {}]) {
    expect(state.judge({ ...claims, iat })).toMatchObject({ kind: 'owner' })
  }
})

test('a token that was revoked is dead whenever it was issued', () => {
  expect(stateOf(fact('token', 'j1', 0)).judge({ ...claims, iat: 9000 })).toBeDefined()
})

test('the later of two facts about the same counts, in whatever order they come', () => {
  const [early, late] = [fact('entry', 'e1', 900, 4000), fact('entry', 'e1', 1000, 5000)]
  for (const facts of [
    [early, late],
    [late, early],
    [late, late],
  ]) {
    const state = stateOf(...facts)
    expect(state.size).toBe(1)
    expect(state.find('entry', 'e1')).toEqual(late)
  }
})

test('what has ended is forgotten, within a minute, and what was prolonged is not', () => {
  const state = stateOf(
    fact('token', 'a', 0, 600),
    fact('token', 'b', 0, 600),
    fact('token', 'b', 0, 1200),
  )
  state.drop(new Date(599_000))
  expect(state.size).toBe(2)
  state.drop(new Date(660_000))
  expect(state.size).toBe(1)
  expect(state.find('token', 'b')).toBeDefined()
  state.drop(new Date(1_260_000))
  expect(state.size).toBe(0)
})

test('names of members that objects have by themselves are ids like any other', () => {
  const state = stateOf(fact('token', '__proto__', 0))
  expect(state.judge({ ...claims, jti: 'constructor' })).toBeUndefined()
  expect(state.judge({ ...claims, jti: '__proto__' })).toBeDefined()
})

test('the hash of a head changes with each part of each fact before it', () => {
  const facts = [
    { ...fact('token', 'a', 0), number: 4 },
    { ...fact('owner', 'team'), number: 9 },
  ] as const
  const hashOf = (list: readonly (typeof facts)[number][]): string =>
    list.reduce(headAfter, { number: 0, hash: '' }).hash
  const [first, second] = facts
  const others = [
    [second, first],
    [first],
    [first, { ...second, number: 10 }],
    [first, { ...second, id: 'teams' }],
    [first, { ...second, notBefore: 1001 }],
    [first, { ...second, endsAt: 5001 }],
    [{ ...first, kind: 'transaction' as const }, second],
  ]
  expect(new Set([facts, ...others].map((list) => hashOf(list as never))).size).toBe(8)
})

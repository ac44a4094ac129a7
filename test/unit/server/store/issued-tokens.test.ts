import { expect, test } from 'vitest'
import {
  addIssuedTokens,
  type IssuedToken,
  listIssuedTokens,
  pruneIssuedTokens,
} from '../../../../server/store/issued-tokens.ts'
import type { Store } from '../../../../server/store/store.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { tempStore } from './fixture.ts'

const now = new Date('2026-06-01T12:00:00Z')
const web = SpiffeId.parse('spiffe://example.org/web')
const orders = SpiffeId.parse('spiffe://example.org/orders')

function aToken(jti: string, changed: Partial<IssuedToken> = {}): IssuedToken {
  return {
    ...{ jti, txn: `txn-${jti}`, parent: undefined, entryId: 'e1', owner: 'web-team' },
    ...{ subject: web, clientId: web, audience: 'https://orders.example', auth: 'spiffe_jwt' },
    address: '10.0.0.1:4000',
    ...{ scopes: ['read', 'write'], actors: [], rule: undefined, keyId: undefined },
    ...{ issuedAt: now, expiresAt: new Date(now.getTime() + 60_000) },
    ...changed,
  }
}

const exchanged = aToken('c', {
  ...{ txn: 'txn-a', parent: 'a', clientId: orders, entryId: 'e2', owner: 'orders-team' },
  ...{ audience: 'https://stock.example', scopes: ['read'], actors: [orders, web] },
  expiresAt: new Date(now.getTime() + 30_000),
})

async function filled(...tokens: readonly IssuedToken[]): Promise<Store> {
  const store = await tempStore()
  await store.write((tx) => addIssuedTokens(tx, tokens))
  return store
}

test('tokens come back as they were noted, in pages, by what is asked for, until they expire', async () => {
  const all = [aToken('a'), aToken('b', { auth: 'oidc', rule: 'one', keyId: 'k1' }), exchanged]
  const store = await filled(...all)
  const list = async (filter = {}, page = {}) =>
    listIssuedTokens(store.db, filter, { now, limit: 10, ...page })
  const ids = async (...asked: Parameters<typeof list>) => (await list(...asked)).map((t) => t.jti)
  expect(await list()).toStrictEqual(all)
  expect(await ids({}, { limit: 2 })).toEqual(['a', 'b'])
  expect(await ids({}, { after: 'b' })).toEqual(['c'])
  expect(await ids({ spiffeId: web })).toEqual(['a', 'b', 'c'])
  expect(await ids({ spiffeId: orders })).toEqual(['c'])
  expect(await ids({ owner: 'web-team' })).toEqual(['a', 'b'])
  expect(await ids({ txn: 'txn-a' })).toEqual(['a', 'c'])
  expect(await ids({ audience: 'https://orders.example', spiffeId: web })).toEqual(['a', 'b'])
  expect(await ids({}, { now: exchanged.expiresAt })).toEqual(['a', 'b'])
})

test('one that is noted twice is there once, and expired ones are forgotten, a part at a time', async () => {
  const ended = ['x', 'y', 'z'].map((jti) => aToken(jti, { expiresAt: now }))
  const store = await filled(...ended, aToken('a'), aToken('a'))
  const count = async (): Promise<number> =>
    (await store.db.selectFrom('issued_tokens').selectAll().execute()).length
  expect(await count()).toBe(4)
  await store.write((tx) => pruneIssuedTokens(tx, now, 2))
  expect(await count()).toBe(2)
  await store.write((tx) => pruneIssuedTokens(tx, now, 2))
  expect(await count()).toBe(1)
})

import { expect, test } from 'vitest'
import { IssuedBatch } from '../../../../server/store/issued-batch.ts'
import {
  addIssuedGrants,
  type IssuedToken,
  issuedTokens,
  type ListedToken,
  pruneIssuedGrants,
  type TokenFilter,
} from '../../../../server/store/issued-tokens.ts'
import type { Store } from '../../../../server/store/store.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { addTokens, tempDatabase, tempStore } from './fixture.ts'

const now = new Date('2026-06-01T12:00:00Z')
const web = SpiffeId.parse('spiffe://example.org/web')
const orders = SpiffeId.parse('spiffe://example.org/orders')

function aToken(jti: string, changed: Partial<IssuedToken> = {}): IssuedToken {
  return {
    ...{ jti, txn: `txn-${jti}`, parent: undefined, entryId: 'e1', owner: 'web-team' },
    ...{ subject: web, clientId: web, audience: 'https://orders.example', auth: 'spiffe_jwt' },
    address: '10.0.0.1:4000',
    ...{ scopes: ['read', 'write'], actors: [], rule: undefined, keyId: undefined },
    from: undefined,
    ...{ issuedAt: now, expiresAt: new Date(now.getTime() + 60_000) },
    ...changed,
  }
}

const exchanged = aToken('c', {
  ...{ txn: 'txn-a', parent: 'a', clientId: orders, entryId: 'e2', owner: 'orders-team' },
  ...{ audience: 'https://stock.example', scopes: ['read'], actors: [orders, web] },
  from: { audience: 'https://orders.example', depth: 1, keyId: 'k1' },
  expiresAt: new Date(now.getTime() + 30_000),
})

async function filled(...tokens: readonly IssuedToken[]): Promise<Store> {
  const store = await tempStore()
  await addTokens(store, tokens)
  return store
}

async function list(
  store: Store,
  filter: TokenFilter = {},
  from: { readonly now?: Date; readonly after?: string } = {},
): Promise<readonly ListedToken[]> {
  const found: ListedToken[] = []
  for await (const page of issuedTokens(store.db, filter, { now, ...from })) found.push(...page)
  return found
}

const idsIn = (tokens: readonly IssuedToken[]): string => tokens.map(({ jti }) => jti).join('')

test('tokens come back as they were noted, by what is asked for, until they expire', async () => {
  const all = [aToken('a'), aToken('b', { auth: 'oidc', rule: 'one', keyId: 'k1' }), exchanged]
  const store = await filled(...all)
  const ids = async (...asked: [TokenFilter, { readonly now?: Date }?]) =>
    idsIn(await list(store, ...asked))
  expect((await list(store)).map(({ place, ...token }) => token)).toStrictEqual(all)
  expect(await ids({ spiffeId: web })).toBe('abc')
  expect(await ids({ spiffeId: orders })).toBe('c')
  expect(await ids({ owner: 'web-team' })).toBe('ab')
  expect(await ids({ transactions: new Set(['txn-a']) })).toBe('ac')
  expect(await ids({ transactions: new Set(['txn']) })).toBe('')
  expect(await ids({ audience: 'https://orders.example', spiffeId: web })).toBe('ab')
  expect(await ids({ issuedSince: now })).toBe('abc')
  expect(await ids({ issuedSince: new Date(now.getTime() + 1) })).toBe('')
  expect(await ids({}, { now: exchanged.expiresAt })).toBe('ab')
})

test('a list goes on after any place of it, within what was issued side by side and behind it', async () => {
  const names = Array.from({ length: 7000 }, (_, at) => String(at).padStart(4, '0'))
  const store = await filled(...names.map((jti) => aToken(jti)))
  const all = await list(store)
  expect(all.map(({ jti }) => jti)).toEqual(names)
  for (const at of [0, 62, 63, 64, 6463, 6464, 6998, 6999]) {
    const rest = await list(store, {}, { after: all[at]?.place ?? '' })
    expect(rest.map(({ jti }) => jti)).toEqual(names.slice(at + 1))
  }
})

test.each<[string, Partial<IssuedToken>]>([
  ['entry', { entryId: 'e9' }],
  ['owner', { owner: 'others' }],
  ['subject', { subject: orders }],
  ['client', { clientId: orders }],
  ['resource', { audience: 'https://stock.example' }],
  ['scopes', { scopes: ['read'] }],
  ['proof', { auth: 'spiffe_x509' }],
  ['actors', { actors: [orders] }],
  ['rule', { rule: 'one' }],
  ['key', { keyId: 'k2' }],
  ['what it was exchanged for', { from: { audience: 'https://a.example', depth: 0 } }],
  ['start', { issuedAt: new Date(now.getTime() - 1000) }],
  ['end', { expiresAt: new Date(now.getTime() + 90_000) }],
])('one with another %s shares no row', (_, changed) => {
  const batch = new IssuedBatch()
  const tokens = [aToken('a'), aToken('b', changed), aToken('c')]
  for (const token of tokens) batch.add(token)
  expect(batch.size).toBe(3)
  const apart = changed.clientId ?? changed.subject ?? changed.audience
  expect(batch.close()).toHaveLength(apart === undefined ? 3 : 2)
  const listed = batch.tokens().map(({ jti, ...token }) => [jti, token] as const)
  const byId = new Map(listed)
  for (const { jti, ...token } of tokens) expect(byId.get(jti)).toMatchObject(token)
})

test('two that were exchanged for tokens by two keys share no row', () => {
  const batch = new IssuedBatch()
  const from = { audience: 'https://a.example', depth: 0 }
  for (const keyId of ['k1', 'k2', undefined])
    batch.add(aToken(`by-${keyId}`, { from: { ...from, keyId } }))
  expect(batch.close()).toHaveLength(3)
  expect(batch.tokens().map((token) => token.from?.keyId)).toEqual(['k1', 'k2', undefined])
})

test('rows that are written twice are there once, and expired ones are forgotten, a part at a time', async () => {
  const ended = ['x', 'y', 'z'].map((jti, at) =>
    aToken(jti, { expiresAt: new Date(now.getTime() - at * 1000) }),
  )
  const store = await filled(...ended)
  const batch = new IssuedBatch()
  for (const jti of ['a', 'b']) batch.add(aToken(jti))
  for (let n = 0; n < 2; n += 1) await store.write((tx) => addIssuedGrants(tx, batch.close()))
  expect(idsIn(await list(store))).toBe('ab')
  const count = async (): Promise<number> =>
    (await store.db.selectFrom('issued_grants').selectAll().execute()).length
  expect(await count()).toBe(4)
  await store.write((tx) => pruneIssuedGrants(tx, now, 2))
  expect(await count()).toBe(2)
  await store.write((tx) => pruneIssuedGrants(tx, now, 2))
  expect(await count()).toBe(1)
})

test('tokens that a version before has noted are known after the update, each with what it was exchanged for', async () => {
  const { connect, execute } = await tempDatabase()
  await (await tempStore({ connect }))[Symbol.asyncDispose]()
  const text = ['txn', 'parent', 'entry_id', 'owner', 'subject', 'client_id', 'audience', 'scope']
  const columns = [...text, 'auth', 'actors', 'address', 'rule', 'key_id']
  const rows = [
    aToken('a'),
    { ...exchanged, actors: [orders] },
    aToken('b', { rule: 'one', keyId: 'k1' }),
  ]
  const again = { ...exchanged, jti: 'd', parent: 'c', actors: [web, orders] }
  const values = [...rows, again].map(
    (token) =>
      `('${[
        ...[token.jti, token.txn, token.parent ?? '', token.entryId, token.owner, token.subject],
        ...[token.clientId, token.audience, token.scopes.join(' '), token.auth],
        ...[token.actors.join(' '), token.address, token.rule ?? '', token.keyId ?? ''],
      ].join("','")}',${token.issuedAt.getTime()},${token.expiresAt.getTime()})`,
  )
  await execute(
    [
      'drop table issued_grants',
      'drop table revoked_keys',
      `create table issued_tokens (jti text primary key,${columns.map((name) => `${name} text not null`).join(',')},
        issued_at bigint not null, expires_at bigint not null)`,
      `insert into issued_tokens values ${values.join(',')}`,
      `delete from kysely_migration where name >= '0017'`,
    ].join(';'),
  )
  const found = await list(await tempStore({ connect }))
  expect(found.map(({ place, ...token }) => token)).toStrictEqual([
    aToken('a'),
    aToken('b', { rule: 'one', keyId: 'k1' }),
    { ...exchanged, actors: [orders], from: { audience: 'https://orders.example', depth: 0 } },
    { ...again, from: { audience: 'https://stock.example', depth: 1 } },
  ])
})

test('of very many tokens those of one owner are looked for in pieces, so that others have their turn', async () => {
  const id = (at: number): string => `t${String(at).padStart(5, '0')}`
  const others = Array.from({ length: 9000 }, (_, at) =>
    aToken(id(at), { clientId: SpiffeId.parse(`spiffe://example.org/w${at}`) }),
  )
  const first = aToken('a', { owner: 'one' })
  const last = aToken('z', { owner: 'one', clientId: orders })
  const store = await filled(first, ...others, last)
  const pages: string[] = []
  for await (const page of issuedTokens(store.db, { owner: 'one' }, { now })) {
    pages.push(idsIn(page))
  }
  expect(pages).toEqual(['a', '', 'z'])
  expect(idsIn(await list(store, { owner: 'one' }, { after: 'a 1' }))).toBe('z')
})

import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { loadAgents, putAgent } from '../../../../server/store/agents.ts'
import { loadAuthorities, putAuthority } from '../../../../server/store/authorities.ts'
import { loadBundles, putBundle } from '../../../../server/store/bundles.ts'
import { insertEntries, loadEntries } from '../../../../server/store/entries.ts'
import { loadRelationship, putRelationship } from '../../../../server/store/federation.ts'
import { consumeJoinToken, createJoinToken } from '../../../../server/store/join-tokens.ts'
import { createRowSeal, type RefusedRow } from '../../../../server/store/row-seal.ts'
import { getSetting, putSetting } from '../../../../server/store/settings.ts'
import { openStore, type Store } from '../../../../server/store/store.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import {
  anAgent,
  anEntry,
  rejection,
  sealKey,
  storeOptions,
  type TestDatabase,
  tempDatabase,
  trustDomain,
} from './fixture.ts'

const now = new Date('2026-06-01T12:00:00Z')
const other = TrustDomain.parse('other.test')

function tokenOf(name: string): Parameters<typeof createJoinToken>[1] {
  const agentId = SpiffeId.of(trustDomain, `/spire/agent/join_token/${name}`)
  return { hash: name, agentId, expiresAt: new Date(now.getTime() + 60_000) }
}

/** Two rows of each kind, `a…` and `b…`. */
async function fill(store: Store): Promise<void> {
  await store.write(async (tx) => {
    await insertEntries(tx, [anEntry('a'), anEntry('b', { disabledAt: now })])
    for (const name of ['a', 'b']) {
      await putAgent(tx, anAgent(name))
      await putSetting(tx, name, 'mine')
      await createJoinToken(tx, tokenOf(name))
    }
    for (const name of [trustDomain, other]) {
      await putBundle(tx, {
        trustDomain: name,
        x509Authorities: [],
        jwtAuthorities: [],
        sequence: 5n,
        refreshHintSeconds: 60,
      })
    }
    await putAuthority(tx, {
      id: 'a',
      kind: 'jwt',
      slot: 'active',
      keyKind: 'ec-p256',
      publicKey: Buffer.of(1),
      certificate: Buffer.alloc(0),
      sealedKey: Buffer.of(2),
      notBefore: now,
      notAfter: new Date(now.getTime() + 60_000),
      tainted: false,
    })
    await putRelationship(tx, {
      trustDomain: other,
      bundleEndpointUrl: 'https://other.test/bundle',
    } as unknown as Parameters<typeof putRelationship>[1])
  })
}

async function filled(): Promise<TestDatabase> {
  const database = await tempDatabase()
  await using store = await openStore({ ...storeOptions, connect: database.connect })
  await fill(store)
  return database
}

test('the MAC is HMAC-SHA-256 (RFC 2104), and no two rows are the same message', () => {
  const seal = createRowSeal(sealKey, () => {})
  const expected = createHmac('sha256', sealKey.toString('hex'))
    .update('entries 1:a 3:b \u00e9')
    .digest('base64url')
  expect(seal.mac('entries', 'a', 'b \u00e9')).toBe(expected)
  const macs = [
    seal.mac('entries', 'a', 'bc'),
    seal.mac('entries', 'ab', 'c'),
    seal.mac('entries', 'abc'),
    seal.mac('entries', 'a', '', 'bc'),
    seal.mac('agents', 'a', 'bc'),
  ]
  expect(new Set(macs).size).toBe(macs.length)
})

const changes: Readonly<Record<string, { readonly sql: string; readonly refused: RefusedRow }>> = {
  'an entry whose ID was changed': {
    sql: `update entries set body = replace(body, 'example.org/a', 'example.org/root') where id = 'entry-a'`,
    refused: { table: 'entries', id: 'entry-a' },
  },
  'an entry that was disabled and is enabled again': {
    sql: `update entries set body = replace(body, '"disabledAt"', '"disabledA_"') where id = 'entry-b'`,
    refused: { table: 'entries', id: 'entry-b' },
  },
  'an entry that was put in': {
    sql: `insert into entries (id, natural_key, body, mac) select 'evil', 'evil', replace(body, 'entry-a', 'evil'), mac from entries where id = 'entry-a'`,
    refused: { table: 'entries', id: 'evil' },
  },
  'an entry with the text and MAC of another': {
    sql: `update entries set body = (select body from entries where id = 'entry-b'), mac = (select mac from entries where id = 'entry-b') where id = 'entry-a'`,
    refused: { table: 'entries', id: 'entry-a' },
  },
  'an agent whose serial was changed': {
    sql: `update agents set body = replace(body, '0a1b', '0a1c') where id like '%/a'`,
    refused: { table: 'agents', id: anAgent('a').id },
  },
  'a bundle whose sequence was changed': {
    sql: `update bundles set sequence = '00000000000000000001' where trust_domain = 'other.test'`,
    refused: { table: 'bundles', id: other },
  },
  'a bundle without a MAC': {
    sql: `update bundles set mac = '' where trust_domain = 'other.test'`,
    refused: { table: 'bundles', id: other },
  },
  'a relationship with another endpoint': {
    sql: `update federation_relationships set body = replace(body, 'other.test/', 'evil.test/')`,
    refused: { table: 'federation_relationships', id: other },
  },
  'a setting': {
    sql: `update settings set value = 'yours' where name = 'a'`,
    refused: { table: 'settings', id: 'a' },
  },
  'a join token that was prolonged': {
    sql: `update join_tokens set expires_at = expires_at + 1 where hash = 'a'`,
    refused: { table: 'join_tokens', id: 'a' },
  },
}

test.each(Object.entries(changes))(
  '%s is refused and told of once; all others are believed',
  async (_, { sql, refused }) => {
    const database = await filled()
    const options = { ...storeOptions, connect: database.connect }
    await database.execute(sql)
    const told: RefusedRow[] = []
    await using store = await openStore({ ...options, onRefused: (row) => told.push(row) })
    for (let times = 0; times < 2; times += 1) {
      const seen = [
        ...(await loadEntries(store.db)).map(({ id }) => `entries ${id}`),
        ...(await loadAgents(store.db)).map(({ id }) => `agents ${id}`),
        ...(await loadBundles(store.db)).map((bundle) => `bundles ${bundle.trustDomain}`),
        ...(await Promise.all(['a', 'b'].map((name) => getSetting(store.db, name)))).flatMap(
          (value, at) => (value === undefined ? [] : [`settings ${'ab'[at]}`]),
        ),
        ...((await loadRelationship(store.db, other)) === undefined
          ? []
          : [`federation_relationships ${other}`]),
      ]
      const all = [
        'entries entry-a',
        'entries entry-b',
        `agents ${anAgent('a').id}`,
        `agents ${anAgent('b').id}`,
        `bundles ${trustDomain}`,
        `bundles ${other}`,
        'settings a',
        'settings b',
        `federation_relationships ${other}`,
      ]
      const { table, id } = refused
      expect(seen.toSorted()).toEqual(all.filter((row) => row !== `${table} ${id}`).toSorted())
    }
    const tokens = await store.write(async (tx) => [
      await consumeJoinToken(tx, 'a', now),
      await consumeJoinToken(tx, 'b', now),
    ])
    expect(tokens.map((token) => token?.hash)).toEqual([
      refused.table === 'join_tokens' ? undefined : 'a',
      'b',
    ])
    expect(told).toEqual([refused])
    expect(store.refusedRows()).toBe(1)
  },
)

test('where an authority was changed, nobody gets a part of them', async () => {
  const database = await filled()
  const options = { ...storeOptions, connect: database.connect }
  await database.execute(`update authorities set body = replace(body, '"active"', '"old"')`)
  await using store = await openStore(options)
  expect(await rejection(loadAuthorities(store.db))).toMatchObject({
    code: 'conflict',
    reason: 'authority-row-refused',
  })
})

test('a store under another wrapping key is not opened', async () => {
  const database = await filled()
  const options = { ...storeOptions, connect: database.connect }
  const opened = openStore({ ...options, sealKey: Buffer.alloc(32, 8) })
  expect(await rejection(opened)).toMatchObject({ code: 'conflict', reason: 'store-seal' })
})

/** As it was before there were MACs, or as somebody makes it look. */
const tables = [
  'settings',
  'entries',
  'agents',
  'bundles',
  'federation_relationships',
  'authorities',
  'join_tokens',
]
/** Tables that came later. */
const since = [
  ...['used_tokens', 'issued_grants', 'revocation_facts', 'policy_sets', 'legacy_use'],
  ...['event_outbox', 'bundle_confirmations', 'revoked_keys'],
]
const unseal = [
  ...tables.map((table) => `alter table ${table} drop column mac`),
  ...since.map((table) => `drop table ${table}`),
  `delete from kysely_migration where name >= '0005-row-seals'`,
].join(';')

test('rows without MACs are sealed once, and only where the operator says so', async () => {
  const database = await filled()
  const options = { ...storeOptions, connect: database.connect }
  await database.execute(unseal)
  const unsealed = { code: 'conflict', reason: 'store-unsealed' }
  expect(await rejection(openStore(options))).toMatchObject(unsealed)

  database.consent()
  {
    await using store = await openStore(options)
    expect(await loadEntries(store.db)).toHaveLength(2)
    expect(await loadAgents(store.db)).toHaveLength(2)
    expect(await loadBundles(store.db)).toHaveLength(2)
    expect(await loadAuthorities(store.db)).toHaveLength(1)
    expect(await getSetting(store.db, 'a')).toBe('mine')
    const token = await store.write((tx) => consumeJoinToken(tx, 'a', now))
    expect(token?.hash).toBe('a')
    expect(store.refusedRows()).toBe(0)
  }
  // Whoever makes it look old again has no such word.
  await database.execute(unseal)
  expect(await rejection(openStore(options))).toMatchObject(unsealed)
  // Another test may take over what is left.
  database.consent()
  await (await openStore(options))[Symbol.asyncDispose]()
})

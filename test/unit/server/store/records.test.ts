import { describe, expect, test } from 'vitest'
import {
  compareAndPutAgent,
  deleteAgent,
  loadAgents,
  putAgent,
} from '../../../../server/store/agents.ts'
import {
  appendAuditRecords,
  lastAuditRecord,
  markRecorded,
  recordedUpTo,
} from '../../../../server/store/audit-records.ts'
import {
  deleteAuthority,
  loadAuthorities,
  putAuthority,
} from '../../../../server/store/authorities.ts'
import { deleteBundle, loadBundles, putBundle } from '../../../../server/store/bundles.ts'
import { readChanges } from '../../../../server/store/changes.ts'
import {
  countRelationships,
  deleteRelationship,
  listRelationships,
  loadRelationship,
  putRelationship,
} from '../../../../server/store/federation.ts'
import {
  consumeJoinToken,
  createJoinToken,
  pruneJoinTokens,
} from '../../../../server/store/join-tokens.ts'
import type {
  AuthorityRecord,
  FederationRelationship,
  JoinTokenRecord,
} from '../../../../server/store/records.ts'
import { getSetting, putSetting } from '../../../../server/store/settings.ts'
import { useToken } from '../../../../server/store/used-tokens.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { anAgent, rejection, tempStore, trustDomain } from './fixture.ts'

/** What comes in no order, by its id. */
function sorted<T extends { readonly id: string } | { readonly trustDomain: string }>(
  records: readonly T[],
): T[] {
  const keyOf = (record: T): string => ('id' in record ? record.id : record.trustDomain)
  return records.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

describe('agents', () => {
  test('are put, replaced, loaded and deleted, each with a change', async () => {
    const store = await tempStore()
    const changed = anAgent('a', {
      serial: '',
      banned: true,
      pendingSerial: 'ff',
      pendingExpiresAt: new Date('2026-06-02T00:00:00Z'),
    })
    expect(await store.write((tx) => putAgent(tx, anAgent('a')))).toBe(1)
    expect(await store.write((tx) => putAgent(tx, anAgent('b')))).toBe(2)
    expect(await store.write((tx) => putAgent(tx, changed))).toBe(3)
    expect(sorted(await loadAgents(store.db))).toStrictEqual([changed, anAgent('b')])
    expect(await loadAgents(store.db, [changed.id, 'nobody'])).toStrictEqual([changed])
    expect(await store.write((tx) => deleteAgent(tx, changed.id))).toBe(4)
    expect(await store.write((tx) => deleteAgent(tx, changed.id))).toBe(0)
    expect(await loadAgents(store.db)).toStrictEqual([anAgent('b')])
    expect((await readChanges(store.db, 0, 10)).map((change) => change.kind)).toEqual(
      Array(4).fill('agent'),
    )
  })

  test('an agent that has changed meanwhile is not replaced', async () => {
    const store = await tempStore()
    const before = anAgent('a')
    const banned = anAgent('a', { banned: true })
    await store.write((tx) => putAgent(tx, before))
    const put = (after: typeof before) => store.write((tx) => compareAndPutAgent(tx, before, after))
    expect(await put(banned)).toBe(2)
    expect(await put(anAgent('a', { version: '2' }))).toBe(0)
    expect(await loadAgents(store.db)).toEqual([banned])
  })
})

describe('join tokens', () => {
  const now = new Date('2026-06-01T12:00:00Z')
  const token: JoinTokenRecord = {
    hash: 'ab'.repeat(32),
    agentId: anAgent('a').id,
    expiresAt: new Date('2026-06-01T12:10:00Z'),
  }

  test('of fifty who race for a token exactly one gets it', async () => {
    const store = await tempStore()
    await store.write((tx) => createJoinToken(tx, token))
    const got = await Promise.all(
      Array.from({ length: 50 }, () => store.write((tx) => consumeJoinToken(tx, token.hash, now))),
    )
    expect(got.filter((record) => record !== undefined)).toStrictEqual([token])
  })

  test('a token stays unused where the job that used it fails', async () => {
    const store = await tempStore()
    await store.write((tx) => createJoinToken(tx, token))
    await rejection(
      store.write(async (tx) => {
        await consumeJoinToken(tx, token.hash, now)
        throw new Error('no')
      }),
    )
    expect(await store.write((tx) => consumeJoinToken(tx, token.hash, now))).toStrictEqual(token)
  })

  test('an expired token is none, to the millisecond', async () => {
    const store = await tempStore()
    await store.write((tx) => createJoinToken(tx, token))
    expect(
      await store.write((tx) => consumeJoinToken(tx, token.hash, token.expiresAt)),
    ).toBeUndefined()
  })

  test('a second token with the same hash is refused', async () => {
    const store = await tempStore()
    await store.write((tx) => createJoinToken(tx, token))
    expect(
      await rejection(store.write((tx) => createJoinToken(tx, { ...token, expiresAt: now }))),
    ).toMatchObject({ code: 'exists', reason: 'join-token-exists' })
    expect(await store.write((tx) => consumeJoinToken(tx, token.hash, now))).toStrictEqual(token)
  })

  test('pruning takes the expired ones only', async () => {
    const store = await tempStore()
    await store.write((tx) => createJoinToken(tx, token))
    await store.write((tx) => createJoinToken(tx, { ...token, hash: 'old', expiresAt: now }))
    expect(await store.write((tx) => pruneJoinTokens(tx, now))).toBe(1)
    expect(await store.write((tx) => consumeJoinToken(tx, token.hash, now))).toStrictEqual(token)
  })
})

describe('tokens that are good once', () => {
  const now = new Date('2026-06-01T12:00:00Z')
  const token = { issuer: 'https://ci.example', jti: 'a', expiresAt: new Date(now.getTime() + 1) }

  test('T30 of fifty who use one at once exactly one hears that it was unused', async () => {
    const store = await tempStore()
    const heard = await Promise.all(
      Array.from({ length: 50 }, () => store.write((tx) => useToken(tx, token, now))),
    )
    expect(heard.filter((unused) => unused)).toHaveLength(1)
  })

  test('the same id of another issuer is another token, and no two names run into each other', async () => {
    const store = await tempStore()
    for (const [issuer, jti] of [
      ['https://ci.example', 'a'],
      ['https://other.example', 'a'],
      ['https://ci', '.examplea'],
      ['https://ci.example', 'A'],
    ] as const) {
      expect(await store.write((tx) => useToken(tx, { ...token, issuer, jti }, now))).toBe(true)
    }
  })

  test('T20 one is remembered for ten minutes after it has expired, as another clock may be behind, and no longer', async () => {
    const store = await tempStore()
    const use = (at: Date) => store.write((tx) => useToken(tx, token, at))
    const forgotten = token.expiresAt.getTime() + 600_000
    expect([await use(now), await use(new Date(forgotten - 1)), await use(now)]).toEqual([
      true,
      false,
      false,
    ])
    expect(await use(new Date(forgotten))).toBe(true)
    const rows = await store.db.selectFrom('used_tokens').selectAll().execute()
    expect(rows).toHaveLength(1)
  })
})

test('authorities come back byte by byte, oldest first', async () => {
  const store = await tempStore()
  const jwt: AuthorityRecord = {
    id: 'a-key',
    kind: 'jwt',
    slot: 'prepared',
    keyKind: 'ec-p256',
    publicKey: Buffer.from([1, 2, 255]),
    certificate: Buffer.alloc(0),
    sealedKey: Buffer.from([0, 254]),
    notBefore: new Date('2026-06-02T00:00:00Z'),
    notAfter: new Date('2026-06-03T00:00:00Z'),
    tainted: false,
  }
  const x509: AuthorityRecord = {
    ...jwt,
    id: 'b-key',
    kind: 'x509',
    certificate: Buffer.from([48, 0]),
    notBefore: new Date('2026-06-01T00:00:00Z'),
  }
  await store.write((tx) => putAuthority(tx, jwt))
  await store.write((tx) => putAuthority(tx, x509))
  expect(await loadAuthorities(store.db)).toStrictEqual([x509, jwt])
  const active: AuthorityRecord = { ...jwt, slot: 'active', tainted: true }
  expect(await store.write((tx) => putAuthority(tx, active))).toBe(3)
  expect(await store.write((tx) => deleteAuthority(tx, x509.id))).toBe(4)
  expect(await store.write((tx) => deleteAuthority(tx, x509.id))).toBe(0)
  expect(await loadAuthorities(store.db)).toStrictEqual([active])
})

describe('bundles', () => {
  const bundle: Bundle = {
    trustDomain,
    x509Authorities: [{ certificate: Buffer.from([48, 1, 2]), tainted: true }],
    jwtAuthorities: [
      { keyId: 'k', publicKey: Buffer.from([1]), expiresAt: undefined, tainted: false },
      {
        keyId: 'l',
        publicKey: Buffer.from([2]),
        expiresAt: new Date('2026-06-01T12:00:00Z'),
        tainted: true,
      },
    ],
    sequence: 9n,
    refreshHintSeconds: 300,
  }
  const other: Bundle = { ...bundle, trustDomain: TrustDomain.parse('other.test') }

  test('are put, replaced, loaded and deleted', async () => {
    const store = await tempStore()
    const later = { ...bundle, sequence: 10n, x509Authorities: [] }
    await store.write((tx) => putBundle(tx, bundle))
    await store.write((tx) => putBundle(tx, other))
    expect(await store.write((tx) => putBundle(tx, later))).toBe(3)
    expect(sorted(await loadBundles(store.db))).toStrictEqual([later, other])
    expect(await loadBundles(store.db, [other.trustDomain, 'none.test'])).toStrictEqual([other])
    expect(await store.write((tx) => deleteBundle(tx, other.trustDomain))).toBe(4)
    expect(await store.write((tx) => deleteBundle(tx, other.trustDomain))).toBe(0)
    expect(await loadBundles(store.db)).toStrictEqual([later])
  })

  test.each([
    [9n, 9n],
    [10n, 9n],
    [2n ** 63n, 2n ** 63n - 1n],
    [2n ** 64n - 1n, 0n],
  ])('a sequence number that does not grow is refused: %s, then %s', async (now, next) => {
    const store = await tempStore()
    await store.write((tx) => putBundle(tx, { ...bundle, sequence: now }))
    expect(
      await rejection(store.write((tx) => putBundle(tx, { ...bundle, sequence: next }))),
    ).toMatchObject({ code: 'conflict', reason: 'bundle-sequence' })
    expect((await loadBundles(store.db)).map((kept) => kept.sequence)).toEqual([now])
  })
})

test('settings are kept and replaced', async () => {
  const store = await tempStore()
  expect(await getSetting(store.db, 'color')).toBeUndefined()
  await store.write((tx) => putSetting(tx, 'color', 'blue'))
  await store.write((tx) => putSetting(tx, 'color', 'green'))
  expect(await getSetting(store.db, 'color')).toBe('green')
})

test('relationships are put, replaced, counted, listed in pages and deleted', async () => {
  const store = await tempStore()
  const names = ['a.test', 'b.test', 'c.test', 'd-e.test', 'd.test'].map(TrustDomain.parse)
  const relationships = names.map(
    (name): FederationRelationship => ({
      trustDomain: name,
      bundleEndpointUrl: `https://${name}/bundle`,
      profile: { type: 'https_web' },
    }),
  )
  for (const one of relationships.toReversed()) await store.write((tx) => putRelationship(tx, one))
  const listed: FederationRelationship[] = []
  for (let page = 0; page < 3; page += 1) {
    const after = listed.at(-1)?.trustDomain ?? ''
    listed.push(...(await listRelationships(store.db, after, 2)))
  }
  expect(listed).toStrictEqual(relationships)
  const [first] = relationships
  if (first === undefined) throw new Error('unreachable')
  const moved = { ...first, bundleEndpointUrl: 'https://elsewhere.test/' }
  await store.write((tx) => putRelationship(tx, moved))
  expect(await loadRelationship(store.db, moved.trustDomain)).toStrictEqual(moved)
  expect(await countRelationships(store.db)).toBe(5)
  expect(await store.write((tx) => deleteRelationship(tx, moved.trustDomain))).toBe(true)
  expect(await store.write((tx) => deleteRelationship(tx, moved.trustDomain))).toBe(false)
  expect(await loadRelationship(store.db, moved.trustDomain)).toBeUndefined()
})

test('audit records are appended once each, a chain by itself, the newest kept', async () => {
  const store = await tempStore()
  const records = Array.from({ length: 300 }, (_, at) => ({
    number: at + 1,
    hash: String(at).padStart(64, '0'),
    line: `{"n":${at + 1}}`,
  }))
  await store.write((tx) => appendAuditRecords(tx, 'one', records.slice(0, 200), 1000))
  await store.write((tx) => appendAuditRecords(tx, 'other', records.slice(0, 3), 1000))
  // Whoever does not know how far the copy went begins a little before.
  await store.write((tx) => appendAuditRecords(tx, 'one', records.slice(150), 100))
  const { number, hash } = records[299] ?? { number: 0, hash: '' }
  expect(await lastAuditRecord(store.db, 'one')).toStrictEqual({ number, hash })
  expect((await lastAuditRecord(store.db, 'other'))?.number).toBe(3)
  expect(await lastAuditRecord(store.db, 'none')).toBeUndefined()
  const kept = await store.db
    .selectFrom('audit_records')
    .selectAll()
    .where('chain', '=', 'one')
    .orderBy('number')
    .execute()
  expect(kept).toEqual(records.slice(200).map((record) => ({ chain: 'one', ...record })))
  expect(await recordedUpTo(store.db, 'one')).toBeUndefined()
  await store.write((tx) => markRecorded(tx, 'one', 300))
  expect(await recordedUpTo(store.db, 'one')).toBe(300)
})

test('NHI2 no table has a column for the secret of a client', async () => {
  const store = await tempStore()
  const tables = await store.db.introspection.getTables()
  const columns = tables.flatMap(({ name, columns: its }) =>
    its.map((one) => `${name}.${one.name}`),
  )
  expect(columns).toContain('issued_grants.client_id')
  expect(columns.filter((column) => /secret|passw|credential|api_?key/i.test(column))).toEqual([])
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readChanges } from '../../../../server/store/changes.ts'
import {
  deleteEntries,
  insertEntries,
  loadEntries,
  updateEntries,
} from '../../../../server/store/entries.ts'
import { encodeEntry, naturalKey } from '../../../../server/store/entry-body.ts'
import { sealOf } from '../../../../server/store/row-seal.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { anEntry, rejection, tempStore } from './fixture.ts'

const complete: Entry = anEntry('complete', {
  selectors: [
    { type: 'k8s', value: 'ns:prod' },
    { type: 'unix', value: 'path:/a "b" \u2028 é 😀' },
  ],
  x509SvidTtlSeconds: 600,
  jwtSvidTtlSeconds: 60,
  federatesWith: [TrustDomain.parse('other.test')],
  admin: true,
  downstream: true,
  expiresAt: new Date('2027-01-02T03:04:05.678Z'),
  disabledAt: new Date('2026-01-02T03:04:05.678Z'),
  dnsNames: ['web.example.org'],
  revision: 7,
  storeSvid: true,
  hint: 'main',
  disableX509SvidPrefetch: true,
  jwtSvidIncludeJti: true,
  jwtSvidSingleUse: true,
  owner: 'team-web',
  purpose: 'shows\0pages',
  labels: { env: 'prod', ['__proto__']: 'x' },
})

describe('entries', () => {
  test('what is loaded is what was inserted, in every field', async () => {
    const store = await tempStore()
    const entries = [anEntry('plain'), complete]
    const result = await store.write((tx) => insertEntries(tx, entries))
    expect(result).toEqual({ inserted: entries, conflicts: new Map() })
    expect(await loadEntries(store.db)).toStrictEqual(entries)
    expect(await loadEntries(store.db, ['entry-complete', 'nobody'])).toStrictEqual([complete])
  })

  test('a row from before entries could be disabled is believed, and is of one that is enabled', async () => {
    const store = await tempStore()
    await store.write(async (tx) => {
      await insertEntries(tx, [anEntry('old')])
      const body = JSON.stringify({ ...JSON.parse(encodeEntry(anEntry('old'))), hint: 'old' })
      expect(body).not.toContain('disabled')
      const mac = sealOf(tx.db).mac('entries', 'entry-old', body)
      await tx.db.updateTable('entries').set({ body, mac }).execute()
    })
    expect(await loadEntries(store.db)).toEqual([anEntry('old', { hint: 'old' })])
  })

  test('batches of every size are inserted, numbered, loaded and deleted whole', async () => {
    const store = await tempStore()
    let count = 0
    for (const size of [0, 1, 127, 128, 129, 300, 1000]) {
      const entries = Array.from({ length: size }, (_, i) => anEntry(`${size}-${i}`))
      const ids = entries.map((entry) => entry.id)
      const { inserted } = await store.write((tx) => insertEntries(tx, entries))
      expect(inserted).toEqual(entries)
      const loaded = new Map((await loadEntries(store.db, ids)).map((entry) => [entry.id, entry]))
      expect(ids.map((id) => loaded.get(id))).toEqual(entries)
      expect((await readChanges(store.db, count, 10_000)).map((change) => change.ref)).toEqual(ids)
      count += size
    }
    const all = await loadEntries(store.db)
    expect(all).toHaveLength(count)
    const deleted = await store.write((tx) =>
      deleteEntries(tx, ['nobody', ...all.map((entry) => entry.id)]),
    )
    expect(deleted.size).toBe(count)
    expect(await loadEntries(store.db)).toEqual([])
    expect(await readChanges(store.db, count, 10_000)).toHaveLength(count)
  })

  test('an entry like another one is refused with the id of the other, and refuses no other', async () => {
    const store = await tempStore()
    const selectors = [
      { type: 'unix', value: 'uid:1' },
      { type: 'unix', value: 'gid:2' },
    ]
    await store.write((tx) => insertEntries(tx, [anEntry('first', { selectors })]))
    const twin = anEntry('first', { id: 'twin', selectors: selectors.toReversed() })
    const other = anEntry('other')
    const twinOfOther = anEntry('other', { id: 'twin-of-other' })
    const sameId = anEntry('elsewhere', { id: 'entry-first' })
    const { inserted, conflicts } = await store.write((tx) =>
      insertEntries(tx, [twin, other, twinOfOther, sameId]),
    )
    expect(inserted).toEqual([other])
    expect(conflicts).toEqual(
      new Map([
        ['twin', 'entry-first'],
        ['twin-of-other', 'entry-other'],
        ['entry-first', 'entry-first'],
      ]),
    )
    expect((await readChanges(store.db, 0, 10)).map((change) => change.ref)).toEqual([
      'entry-first',
      'entry-other',
    ])
  })

  test('of two with one id in a batch the first is taken', async () => {
    const store = await tempStore()
    const first = anEntry('first', { id: 'same' })
    const { inserted, conflicts } = await store.write((tx) =>
      insertEntries(tx, [first, anEntry('second', { id: 'same' })]),
    )
    expect(inserted).toEqual([first])
    expect(conflicts).toEqual(new Map([['same', 'same']]))
  })

  test('an update replaces the entries that there are', async () => {
    const store = await tempStore()
    await store.write((tx) => insertEntries(tx, [anEntry('a'), anEntry('b')]))
    const changed = anEntry('a', { revision: 1, hint: 'new', selectors: complete.selectors })
    const updated = await store.write((tx) => updateEntries(tx, [changed, anEntry('nobody')]))
    expect(updated).toEqual(new Set(['entry-a']))
    expect(await loadEntries(store.db)).toEqual([changed, anEntry('b')])
    expect(await readChanges(store.db, 2, 10)).toEqual([
      { number: 3, kind: 'entry', ref: 'entry-a' },
    ])
    // Its old place is free again.
    const { inserted } = await store.write((tx) => insertEntries(tx, [anEntry('a', { id: 'new' })]))
    expect(inserted).toHaveLength(1)
  })

  test('an update that would make two alike is refused and changes nothing', async () => {
    const store = await tempStore()
    await store.write((tx) => insertEntries(tx, [anEntry('a'), anEntry('b')]))
    const error = await rejection(
      store.write((tx) =>
        updateEntries(tx, [anEntry('a', { hint: 'new' }), anEntry('a', { id: 'entry-b' })]),
      ),
    )
    expect(error).toMatchObject({ code: 'exists', reason: 'entry-exists' })
    expect(await loadEntries(store.db)).toEqual([anEntry('a'), anEntry('b')])
    expect(await readChanges(store.db, 2, 10)).toEqual([])
  })

  test('a row that cannot be read is an error, never an entry less', async () => {
    const store = await tempStore()
    await store.write((tx) => insertEntries(tx, [anEntry('a'), anEntry('b')]))
    await store.write((tx) =>
      tx.db
        .updateTable('entries')
        .set({ body: 'torn', mac: sealOf(tx.db).mac('entries', 'entry-b', 'torn') })
        .where('id', '=', 'entry-b')
        .execute(),
    )
    expect(await rejection(loadEntries(store.db))).toMatchObject({ reason: 'store-corrupt' })
  })
})

describe('the natural key', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', ':', '1', '2', ',') })
  const triple = fc.record({
    spiffeId: text.map((path) => `spiffe://example.org/${path}` as SpiffeId),
    parentId: text.map((path) => `spiffe://example.org/${path}` as SpiffeId),
    selectors: fc.uniqueArray(fc.record({ type: text, value: text }), {
      minLength: 1,
      maxLength: 4,
      comparator: (a, b) => a.type === b.type && a.value === b.value,
    }),
  })
  const canonical = ({ spiffeId, parentId, selectors }: Parameters<typeof naturalKey>[0]): string =>
    JSON.stringify([
      spiffeId,
      parentId,
      selectors.map(({ type, value }) => JSON.stringify([type, value])).toSorted(),
    ])

  test('does not depend on the order of selectors', () => {
    fc.assert(
      fc.property(triple, (value) => {
        const turned = { ...value, selectors: value.selectors.toReversed() }
        expect(naturalKey(turned)).toBe(naturalKey(value))
      }),
    )
  })

  test('is the same for the same triple only, whatever delimiters the parts hold', () => {
    fc.assert(
      fc.property(triple, triple, (a, b) => {
        expect(naturalKey(a) === naturalKey(b)).toBe(canonical(a) === canonical(b))
      }),
    )
    const key = (selectors: Entry['selectors']): string => naturalKey(anEntry('a', { selectors }))
    expect(key([{ type: 'a', value: 'b:c' }])).not.toBe(key([{ type: 'a:b', value: 'c' }]))
    expect(key([{ type: 'a', value: 'b' }])).not.toBe(
      key([
        { type: 'a', value: '' },
        { type: 'b', value: '' },
      ]),
    )
    expect(naturalKey(anEntry('a/b'))).not.toBe(
      naturalKey(anEntry('a', { parentId: SpiffeId.parse('spiffe://example.org/b/node') })),
    )
  })
})

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Changes, openChanges } from '../../../../server/changes/changes.ts'
import type { BatchResult } from '../../../../server/entry/batch.ts'
import type { EntryInput } from '../../../../server/entry/entry-input.ts'
import { expiredBy, runExpiry } from '../../../../server/entry/expiry.ts'
import { createEntryIndex, type EntryIndex } from '../../../../server/entry/index.ts'
import { createRegistry, type Registry } from '../../../../server/entry/registry.ts'
import { factWriter } from '../../../../server/revocation/write-facts.ts'
import { putAuthority } from '../../../../server/store/authorities.ts'
import { loadEntries } from '../../../../server/store/entries.ts'
import { naturalKey } from '../../../../server/store/entry-body.ts'
import { factsAfter } from '../../../../server/store/revocation-facts.ts'
import { openSqlite } from '../../../../server/store/sqlite.ts'
import { openStore, type Store } from '../../../../server/store/store.ts'
import type { AuditActor, AuditEvent } from '../../../../src/audit/event.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { authorityOf, entryOf, idOf, selectorsOf, trustDomain } from './samples.ts'

const actor: AuditActor = { kind: 'local', uid: 0, pid: 1 }
const parentId = 'spiffe://example.org/spire/agent/join_token/a'

let folder: string
let store: Store
let clock: FakeClock
let index: EntryIndex
let changes: Changes
let registry: Registry
let audited: AuditEvent[]
let auditFailure: Error | undefined
let stop: AbortController
let running: Promise<void>

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'registry-'))
  clock = new FakeClock()
  audited = []
  auditFailure = undefined
  store = await openStore({
    sealKey: Buffer.alloc(32, 7),
    connect: () => openSqlite(join(folder, 'data', 'server.db')),
    trustDomain,
    log: silentLog,
    clock,
    async beforeCommit(events) {
      if (auditFailure !== undefined) throw auditFailure
      audited.push(...events)
    },
  })
  index = createEntryIndex({ trustDomain, clock })
  changes = await openChanges(store, {
    clock,
    log: silentLog,
    onBatch: (batch) => index.apply(batch),
  })
  stop = new AbortController()
  running = changes.run(stop.signal)
  let made = 0
  registry = createRegistry({
    store,
    changes,
    index,
    trustDomain,
    clock,
    newId: () => `made-${String(made++).padStart(5, '0')}`,
    selectorTypes: [],
    writeFacts: factWriter({
      trustDomain: TrustDomain.parse('example.org'),
      clock,
      proofSeconds: 86_400,
    }),
    knowsTrustDomain: () => false,
  })
})

afterEach(async () => {
  stop.abort()
  await running
  await store[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

function inputOf(name: string, changes: Partial<EntryInput> = {}): EntryInput {
  return {
    spiffeId: `spiffe://example.org/${name}`,
    parentId,
    selectors: selectorsOf('uid:1000'),
    ...changes,
  }
}

function reasonsOf({ results }: BatchResult): readonly (string | undefined)[] {
  return results.map((result) => result.error?.reason)
}

async function storedIds(): Promise<string[]> {
  return (await loadEntries(store.db)).map((entry) => entry.id).sort()
}

describe('creating', () => {
  test('an entry is in the index and on record when the answer comes', async () => {
    const input = inputOf('web', { owner: 'team', purpose: 'shop' })
    const { results, position } = await registry.createEntries([input], { actor, requestId: 'r1' })
    expect(results[0]?.entry).toMatchObject({ id: 'made-00000', revision: 0, owner: 'team' })
    expect(results[0]?.warnings).toHaveLength(1)
    expect(index.get('made-00000')).toEqual(results[0]?.entry)
    expect(position).toBe(changes.position)
    expect(position).toBeGreaterThan(0)
    expect(audited).toMatchObject([
      {
        kind: 'entry.created',
        actor,
        entryId: 'made-00000',
        spiffeId: idOf('/web'),
        owner: 'team',
        purpose: 'shop',
        decision: 'allow',
        requestId: 'r1',
      },
    ])
  })

  test('each item is answered on its own, and a refused one refuses no other', async () => {
    await registry.createEntries([inputOf('a', { id: 'first' })], { actor })
    const result = await registry.createEntries(
      [
        inputOf('a', { id: 'second' }),
        inputOf('b'),
        inputOf('', {}),
        inputOf('c', { id: 'first' }),
        inputOf('b', { id: 'third' }),
        inputOf('d', { id: 'made-00000' }),
      ],
      { actor },
    )
    expect(reasonsOf(result)).toEqual([
      'entry-exists',
      undefined,
      'entry-spiffe-id',
      'entry-exists',
      'entry-exists',
      'entry-exists',
    ])
    expect(result.results.map((item) => item.existingId)).toEqual([
      'first',
      undefined,
      undefined,
      'first',
      'made-00000',
      'made-00000',
    ])
    expect(result.results[0]?.existing).toEqual(index.get('first'))
    expect(await storedIds()).toEqual(['first', 'made-00000'])
  })

  test('a duplicate is told in the words that clients look for', async () => {
    await registry.createEntries([inputOf('a')], { actor })
    const { results, position } = await registry.createEntries([inputOf('a')], { actor })
    expect(results[0]?.error).toMatchObject({
      code: 'exists',
      message: 'similar entry already exists',
    })
    expect(position).toBe(0)
    expect(audited).toHaveLength(1)
  })

  test('the same selectors in another order are a duplicate', async () => {
    const selectors = selectorsOf('uid:1', 'gid:2', 'path:/bin/x')
    await registry.createEntries([inputOf('a', { selectors, id: 'first' })], { actor })
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(selectors, { minLength: 3 }),
        fc.subarray(selectors),
        async (shuffled, repeated) => {
          const input = inputOf('a', { selectors: [...shuffled, ...repeated] })
          const { results } = await registry.createEntries([input], { actor })
          expect(results[0]?.existingId).toBe('first')
        },
      ),
      { numRuns: 20 },
    )
  })

  test('a batch that is all or nothing leaves nothing behind when one item is refused', async () => {
    await registry.createEntries([inputOf('a')], { actor })
    audited.length = 0
    for (const bad of [inputOf('a'), inputOf(''), inputOf('b')]) {
      const batch = [inputOf('b'), bad, inputOf('c')]
      const { results, position } = await registry.createEntries(batch, { actor, atomic: true })
      expect(results.map((item) => item.error?.reason)).toEqual([
        'batch-aborted',
        results[1]?.error?.reason,
        'batch-aborted',
      ])
      expect(results[1]?.error?.reason).toMatch(/^entry-/)
      expect(results[0]?.error?.code).toBe('conflict')
      expect(results.every((item) => item.entry === undefined)).toBe(true)
      expect(position).toBe(0)
    }
    expect(await storedIds()).toEqual(['made-00000'])
    expect(audited).toEqual([])
    const whole = await registry.createEntries([inputOf('b'), inputOf('c')], {
      actor,
      atomic: true,
    })
    expect(reasonsOf(whole)).toEqual([undefined, undefined])
  })

  test('of fifty that create the same entry at the same time, one succeeds', async () => {
    const all = await Promise.all(
      Array.from({ length: 50 }, () => registry.createEntries([inputOf('a')], { actor })),
    )
    const made = all.flatMap(({ results }) => results[0]?.entry?.id ?? [])
    expect(made).toHaveLength(1)
    const named = all.flatMap(({ results }) => results[0]?.existingId ?? [])
    expect(new Set(named)).toEqual(new Set(made))
  })

  test('what cannot be put on record is not created', async () => {
    auditFailure = new CountersignError('unavailable', 'no', { reason: 'audit-unwritable' })
    await expect(registry.createEntries([inputOf('a')], { actor })).rejects.toMatchObject({
      reason: 'audit-unwritable',
    })
    expect(await storedIds()).toEqual([])
    expect(index.size).toBe(0)
  })

  test('a batch has at most 10,000 items, and so many are made', async () => {
    const inputs = Array.from({ length: 10_000 }, (_, at) => inputOf(`w/${at}`))
    const { results } = await registry.createEntries(inputs, { actor })
    expect(results.every((item) => item.error === undefined)).toBe(true)
    expect(index.size).toBe(10_000)
    await expect(
      registry.createEntries([...inputs, inputOf('one-more')], { actor }),
    ).rejects.toMatchObject({ code: 'invalid', reason: 'batch-size' })
  })

  test('an empty batch changes nothing', async () => {
    expect(await registry.createEntries([], { actor })).toEqual({ results: [], position: 0 })
  })
})

describe('updating', () => {
  beforeEach(async () => {
    await registry.createEntries(
      [
        inputOf('a', { id: 'a', hint: 'old', owner: 'team', admin: true, x509SvidTtlSeconds: 60 }),
        inputOf('b', { id: 'b' }),
        inputOf('c', { id: 'c' }),
      ],
      { actor },
    )
    await clock.advance(5000)
    audited.length = 0
  })

  test('only the fields of the mask are replaced; id, age and revision are the server’s', async () => {
    const before = index.get('a')
    const { results } = await registry.updateEntries([{ id: 'a', hint: 'new', owner: 'thief' }], {
      actor,
      mask: new Set(['hint', 'x509SvidTtlSeconds']),
    })
    expect(results[0]?.entry).toEqual({
      ...before,
      hint: 'new',
      x509SvidTtlSeconds: 0,
      revision: 1,
    })
    expect(index.get('a')).toEqual(results[0]?.entry)
    expect(audited).toMatchObject([{ kind: 'entry.updated', entryId: 'a', owner: 'team' }])
  })

  test('without a mask every field is replaced', async () => {
    const { results } = await registry.updateEntries([inputOf('z', { id: 'a' })], { actor })
    expect(results[0]?.entry).toMatchObject({
      id: 'a',
      spiffeId: idOf('/z'),
      hint: '',
      owner: '',
      admin: false,
      revision: 1,
      createdAt: new Date('2026-06-01T12:00:00Z'),
    })
  })

  test('each item is answered on its own', async () => {
    const mask = new Set(['spiffeId', 'hint'] as const)
    const result = await registry.updateEntries(
      [
        { id: 'a', spiffeId: 'spiffe://example.org/b' },
        { id: 'b', spiffeId: 'spiffe://example.org/b', hint: 'h' },
        { id: 'c', spiffeId: 'spiffe://example.org/spire/x' },
        { id: 'unknown', spiffeId: 'spiffe://example.org/x' },
        { spiffeId: 'spiffe://example.org/x' },
        { id: 'b', spiffeId: 'spiffe://example.org/x' },
      ],
      { actor, mask },
    )
    expect(reasonsOf(result)).toEqual([
      'entry-exists',
      undefined,
      'entry-spiffe-id',
      'entry-not-found',
      'entry-not-found',
      'entry-repeated',
    ])
    expect(result.results[0]).toMatchObject({ existingId: 'b', existing: { id: 'b' } })
    expect(index.get('a')?.revision).toBe(0)
    expect(index.get('b')).toMatchObject({ revision: 1, hint: 'h' })
  })

  test('two of a batch cannot become alike', async () => {
    const spiffeId = 'spiffe://example.org/new'
    const mask = new Set(['spiffeId'] as const)
    const items = ['a', 'b'].map((id) => ({ id, spiffeId }))
    const result = await registry.updateEntries(items, { actor, mask })
    expect(reasonsOf(result)).toEqual([undefined, 'entry-exists'])
    expect(result.results[1]?.existingId).toBe('a')
  })

  test('of two that become alike at the same time, one is refused alone', async () => {
    const spiffeId = 'spiffe://example.org/new'
    const mask = new Set(['spiffeId'] as const)
    const [one, two] = await Promise.all([
      registry.updateEntries([{ id: 'a', spiffeId }], { actor, mask }),
      registry.updateEntries(
        [
          { id: 'b', spiffeId },
          { id: 'c', spiffeId: 'spiffe://example.org/d' },
        ],
        { actor, mask },
      ),
    ])
    expect(reasonsOf(one)).toEqual([undefined])
    expect(reasonsOf(two)).toEqual(['entry-exists', undefined])
    expect(two.results[0]?.existingId).toBe('a')
  })

  test('a batch that is all or nothing changes nothing when one item is refused', async () => {
    const result = await registry.updateEntries(
      [
        { id: 'a', hint: 'x' },
        { id: 'unknown', hint: 'x' },
      ],
      { actor, mask: new Set(['hint']), atomic: true },
    )
    expect(reasonsOf(result)).toEqual(['batch-aborted', 'entry-not-found'])
    expect(result.position).toBe(0)
    expect(index.get('a')).toMatchObject({ hint: 'old', revision: 0 })
    expect(audited).toEqual([])
  })

  test('updates of one entry that come together all count', async () => {
    const fields = ['hint', 'owner', 'purpose'] as const
    await Promise.all(
      fields.map((field) =>
        registry.updateEntries([{ id: 'a', [field]: 'new' }], { actor, mask: new Set([field]) }),
      ),
    )
    expect(index.get('a')).toMatchObject({
      hint: 'new',
      owner: 'new',
      purpose: 'new',
      revision: 3,
    })
  })
})

describe('deleting', () => {
  beforeEach(async () => {
    const inputs = ['a', 'b', 'c'].map((id) => inputOf(id, { id, owner: 'team' }))
    await registry.createEntries(inputs, { actor })
    audited.length = 0
  })

  test('what is gone is out of the index and on record when the answer comes', async () => {
    const result = await registry.deleteEntries(['a', 'unknown', 'a'], { actor })
    expect(reasonsOf(result)).toEqual([undefined, 'entry-not-found', 'entry-not-found'])
    expect(result.results[0]?.entry).toMatchObject({ id: 'a' })
    expect(index.get('a')).toBeUndefined()
    expect(audited).toMatchObject([{ kind: 'entry.deleted', entryId: 'a', owner: 'team' }])
  })

  test('a row that somebody else has changed cannot be read, but deleted', async () => {
    await store.write((tx) =>
      tx.db.updateTable('entries').set({ mac: 'forged' }).where('id', '=', 'a').execute(),
    )
    expect(
      (await registry.updateEntries([{ id: 'a', hint: 'x' }], { actor })).results[0],
    ).toMatchObject({
      error: { reason: 'entry-not-found' },
    })
    const result = await registry.deleteEntries(['a'], { actor })
    expect(result.results).toEqual([{ entry: undefined, warnings: [] }])
    expect(audited).toMatchObject([{ kind: 'entry.deleted', entryId: 'a', reason: 'row-refused' }])
    expect(index.get('a')).toBeUndefined()
    const again = await registry.createEntries([inputOf('a', { id: 'a' })], { actor })
    expect(reasonsOf(again)).toEqual([undefined])
  })

  test('a batch that is all or nothing deletes nothing when one is missing', async () => {
    const result = await registry.deleteEntries(['a', 'unknown'], { actor, atomic: true })
    expect(reasonsOf(result)).toEqual(['batch-aborted', 'entry-not-found'])
    expect(await storedIds()).toEqual(['a', 'b', 'c'])
    expect(audited).toEqual([])
  })
})

describe('expiry', () => {
  const at = (seconds: number): Date => new Date(Date.UTC(2026, 5, 1, 12, 0, seconds))

  test('an entry has expired from its instant on', () => {
    const entries = [1, 2, 3].map((second) => entryOf({ id: `${second}`, expiresAt: at(second) }))
    expect(expiredBy([...entries, entryOf({ id: 'never' })], at(2))).toEqual(['1', '2'])
  })

  test('every five minutes, what has expired is deleted and nothing else', async () => {
    await registry.createEntries(
      [
        inputOf('a', { id: 'a', expiresAt: at(10) }),
        inputOf('b', { id: 'b', expiresAt: at(301) }),
        inputOf('c', { id: 'c' }),
      ],
      { actor },
    )
    audited.length = 0
    const signal = AbortSignal.any([stop.signal])
    const pruning = runExpiry(registry, { clock, log: silentLog }, signal)
    await clock.advance(299_000)
    expect(await storedIds()).toEqual(['a', 'b', 'c'])
    const gone = changes.reached(changes.position + 1)
    await clock.advance(2000)
    await gone
    expect(await storedIds()).toEqual(['b', 'c'])
    expect(audited).toMatchObject([
      { kind: 'entry.deleted', entryId: 'a', actor: { kind: 'server' }, reason: 'expired' },
    ])
    stop.abort()
    await expect(pruning).rejects.toThrow()
  })

  test('an entry that was prolonged in the meantime is kept', async () => {
    await registry.createEntries([inputOf('a', { id: 'a', expiresAt: at(10) })], { actor })
    await clock.advance(11_000)
    const [, count] = await Promise.all([
      registry.updateEntries([{ id: 'a', expiresAt: at(100) }], {
        actor,
        mask: new Set(['expiresAt']),
      }),
      registry.pruneExpired(stop.signal),
    ])
    expect(count).toBe(0)
    expect(await storedIds()).toEqual(['a'])
  })
})

test('the natural key does not depend on the order of selectors, and differs where they do', () => {
  const values = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1 })
  fc.assert(
    fc.property(values, values, (one, other) => {
      const entry = entryOf({ id: '1', selectors: selectorsOf(...one) })
      const reversed = { ...entry, selectors: entry.selectors.toReversed() }
      expect(naturalKey(reversed)).toBe(naturalKey(entry))
      const selectors = selectorsOf(...other)
      const same = JSON.stringify(selectors) === JSON.stringify(entry.selectors)
      expect(naturalKey({ ...entry, selectors }) === naturalKey(entry)).toBe(same)
    }),
  )
})

describe('revocation', () => {
  const facts = async (): Promise<unknown[]> =>
    (await factsAfter(store.db, 0, 100)).facts.map(({ kind, id }) => [kind, id])

  test('a deletion revokes what the entry gave, and with the last entry of an ID what the ID has', async () => {
    await store.write((tx) => putAuthority(tx, authorityOf('oauth')))
    const made = await registry.createEntries(
      [inputOf('web'), inputOf('web', { selectors: selectorsOf('uid:2') }), inputOf('other')],
      { actor },
    )
    const [first = '', second = ''] = made.results.map(({ entry }) => entry?.id ?? '')
    await registry.deleteEntries([first, 'unknown'], { actor })
    expect(await facts()).toEqual([['entry', first]])
    await registry.deleteEntries([second], { actor })
    expect((await facts()).slice(1)).toEqual([
      ['entry', second],
      ['spiffe-id', 'spiffe://example.org/web'],
    ])
  })

  test('an entry that gets another SPIFFE ID revokes what it gave under the one of before', async () => {
    await store.write((tx) => putAuthority(tx, authorityOf('oauth')))
    const made = await registry.createEntries([inputOf('web')], { actor })
    const id = made.results[0]?.entry?.id ?? ''
    await registry.updateEntries([{ id, ...inputOf('web'), owner: 'team' }], { actor })
    expect(await facts()).toEqual([])
    await registry.updateEntries([{ id, ...inputOf('renamed') }], { actor })
    expect(await facts()).toEqual([
      ['entry', id],
      ['spiffe-id', 'spiffe://example.org/web'],
    ])
  })

  test('an entry that moves to another node revokes what the one before has, whoever else has its ID', async () => {
    await store.write((tx) => putAuthority(tx, authorityOf('oauth')))
    const made = await registry.createEntries(
      [inputOf('web'), inputOf('web', { selectors: selectorsOf('uid:2') })],
      { actor },
    )
    const id = made.results[0]?.entry?.id ?? ''
    const parentId = idOf('/another-node')
    await registry.updateEntries([{ id, parentId }], { actor, mask: new Set(['parentId']) })
    expect(await facts()).toEqual([
      ['entry', id],
      ['spiffe-id', 'spiffe://example.org/web'],
    ])
  })

  test('where no access tokens are issued nothing is written, and what is refused revokes nothing', async () => {
    const made = await registry.createEntries([inputOf('web'), inputOf('api')], { actor })
    const [first = '', second = ''] = made.results.map(({ entry }) => entry?.id ?? '')
    await registry.deleteEntries([first], { actor })
    await store.write((tx) => putAuthority(tx, authorityOf('oauth')))
    await registry.deleteEntries([second, 'unknown'], { actor, atomic: true })
    expect(await facts()).toEqual([])
  })
})

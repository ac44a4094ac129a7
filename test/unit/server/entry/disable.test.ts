import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openChanges } from '../../../../server/changes/changes.ts'
import type { EntryInput } from '../../../../server/entry/entry-input.ts'
import { createEntryIndex } from '../../../../server/entry/index.ts'
import { createRegistry } from '../../../../server/entry/registry.ts'
import { factWriter } from '../../../../server/revocation/write-facts.ts'
import { putAuthority } from '../../../../server/store/authorities.ts'
import { readChanges } from '../../../../server/store/changes.ts'
import { loadEntries } from '../../../../server/store/entries.ts'
import { factsAfter } from '../../../../server/store/revocation-facts.ts'
import { putRevokedKeys } from '../../../../server/store/revoked-keys.ts'
import type { AuditActor, AuditEvent } from '../../../../src/audit/event.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { tempDatabase, tempStore } from '../store/fixture.ts'
import { authorityOf, idOf, selectorsOf, trustDomain } from './samples.ts'

const actor: AuditActor = { kind: 'local', uid: 0, pid: 1 }
const parentId = 'spiffe://example.org/spire/agent/join_token/a'

type Database = Awaited<ReturnType<typeof tempDatabase>>
type Server = Awaited<ReturnType<typeof startServer>>

/** A server on a database that others may have as well: store, change log, index and registry. */
async function startServer({ connect }: Database, name = 'one') {
  const clock = new FakeClock()
  const audited: AuditEvent[] = []
  const store = await tempStore({
    connect,
    clock,
    async beforeCommit(events) {
      audited.push(...events)
    },
  })
  const index = createEntryIndex({ trustDomain, clock })
  const onBatch = index.apply
  const changes = await openChanges(store, { clock, log: silentLog, onBatch })
  const stop = new AbortController()
  const running = changes.run(stop.signal)
  onTestFinished(async () => {
    stop.abort()
    await running
  })
  let made = 0
  const registry = createRegistry({
    ...{ store, changes, index, trustDomain, clock, selectorTypes: [] },
    newId: () => `${name}-${made++}`,
    writeFacts: factWriter({
      trustDomain: TrustDomain.parse('example.org'),
      clock,
      proofSeconds: 86_400,
    }),
    knowsTrustDomain: () => false,
  })
  const facts = async (): Promise<unknown[]> =>
    (await factsAfter(store.db, 0, 100)).facts.map(({ kind, id }) => [kind, id])
  const stored = async (id: string) => (await loadEntries(store.db, [id]))[0]
  const refs = async (after: number) =>
    (await readChanges(store.db, after, 100)).map(({ kind, ref }) => [kind, ref])
  return { clock, audited, store, index, changes, registry, facts, stored, refs }
}

function inputOf(name: string, more: Partial<EntryInput> = {}): EntryInput {
  return {
    spiffeId: `spiffe://example.org/${name}`,
    parentId,
    selectors: selectorsOf('uid:1000'),
    owner: 'team',
    ...more,
  }
}

async function create({ registry }: Server, ...inputs: readonly EntryInput[]): Promise<string[]> {
  const { results } = await registry.createEntries(inputs, { actor })
  return results.map(({ entry }) => entry?.id ?? '')
}

let server: Server

beforeEach(async () => {
  server = await startServer(await tempDatabase())
  await server.store.write((tx) => putAuthority(tx, authorityOf('oauth')))
})

describe('disabling', () => {
  test('an entry that is disabled is so in index and store, and on record with who and why, when the answer comes', async () => {
    const [id = ''] = await create(server, inputOf('web'))
    server.audited.length = 0
    const { registry, changes, index, clock } = server
    const before = changes.position
    const options = { actor, requestId: 'r1', reason: 'key seen in a paste' }
    const { results, position } = await registry.disableEntries([id], options)
    expect(results[0]?.entry).toMatchObject({ id, revision: 1, disabledAt: clock.now() })
    expect(index.get(id)).toEqual(results[0]?.entry)
    expect(await server.stored(id)).toEqual(results[0]?.entry)
    expect(position).toBe(changes.position)
    // The row and what it ends are lines of one transaction.
    expect(await server.refs(before)).toEqual([
      ['entry', id],
      ['revocation', `entry ${id}`],
      ['revocation', `spiffe-id ${idOf('/web')}`],
    ])
    expect(server.audited).toMatchObject([
      {
        ...{ kind: 'entry.disabled', actor, requestId: 'r1', reason: 'key seen in a paste' },
        ...{ entryId: id, spiffeId: idOf('/web'), owner: 'team', decision: 'allow' },
      },
    ])
  })

  test('T26 what its SVIDs of before prove stays ended for as long as any may live, whatever it says of them by now', async () => {
    const [id = ''] = await create(server, inputOf('web', { jwtSvidTtlSeconds: 6 * 3600 }))
    const lowered = { id, x509SvidTtlSeconds: 60, jwtSvidTtlSeconds: 60 }
    await server.registry.updateEntries([lowered], {
      ...{ actor, mask: new Set(['x509SvidTtlSeconds', 'jwtSvidTtlSeconds'] as const) },
    })
    await server.registry.disableEntries([id], { actor })
    const ends = server.clock.now().getTime() / 1000 + 86_400
    const { facts } = await factsAfter(server.store.db, 0, 100)
    expect(facts.map(({ kind, endsAt }) => [kind, endsAt >= ends])).toEqual([
      ['entry', true],
      ['spiffe-id', true],
    ])
  })

  test('once more it changes nothing, and says so: not since when, no line, no fact, no record', async () => {
    const [id = ''] = await create(server, inputOf('web'))
    const first = await server.registry.disableEntries([id], { actor })
    await server.clock.advance(5000)
    server.audited.length = 0
    const again = await server.registry.disableEntries([id], { actor })
    const warnings = [`${id} was disabled before: nothing is changed, or put on record`]
    expect(again).toEqual({ results: [{ ...first.results[0], warnings }], position: 0 })
    expect([server.audited.length, (await server.facts()).length]).toEqual([0, 2])
  })

  test('each item is answered on its own; all or nothing, one that is missing leaves all enabled', async () => {
    const ids = await create(server, inputOf('a'), inputOf('b'))
    const asked = [...ids, 'nobody']
    const atomic = await server.registry.disableEntries(asked, { actor, atomic: true })
    expect(atomic.results.map(({ error }) => error?.reason)).toEqual([
      ...['batch-aborted', 'batch-aborted', 'entry-not-found'],
    ])
    expect([await server.stored(ids[0] ?? ''), await server.facts()]).toMatchObject([
      { disabledAt: undefined },
      [],
    ])
    const { results } = await server.registry.disableEntries(asked, { actor })
    expect(results.map(({ error }) => error?.reason)).toEqual([
      ...[undefined, undefined, 'entry-not-found'],
    ])
  })

  test.each(['x'.repeat(257), 'two\nlines'])('a reason that is none is refused', async (reason) => {
    const [id = ''] = await create(server, inputOf('web'))
    for (const call of ['disableEntries', 'enableEntries'] as const) {
      await expect(server.registry[call]([id], { actor, reason })).rejects.toMatchObject({
        ...{ code: 'invalid', reason: 'entry-reason', fix: 'write one line of at most 256 bytes' },
      })
    }
    expect(await server.stored(id)).toMatchObject({ disabledAt: undefined })
  })

  test('what ends: what the entry gave, and with the last enabled entry of an ID what the ID has', async () => {
    const two = inputOf('web', { selectors: selectorsOf('uid:2') })
    const [first = '', second = '', third = ''] = await create(server, inputOf('web'), two, {
      ...two,
      selectors: selectorsOf('uid:3'),
    })
    const { registry } = server
    await registry.disableEntries([first], { actor })
    await registry.deleteEntries([second], { actor })
    expect(await server.facts()).toEqual([
      ['entry', first],
      ['entry', second],
    ])
    await registry.disableEntries([third], { actor })
    expect((await server.facts()).slice(2)).toEqual([
      ['entry', third],
      ['spiffe-id', idOf('/web')],
    ])
    // Of one that is disabled nothing lives any more; deleted, it ends once more what it may have ended.
    await registry.deleteEntries([first], { actor })
    expect((await server.facts()).slice(4)).toContainEqual(['entry', first])
  })
})

describe('enabling', () => {
  test('an entry is enabled again on record, and what ended stays ended', async () => {
    const [id = ''] = await create(server, inputOf('web'))
    const { registry, index } = server
    await registry.disableEntries([id], { actor })
    server.audited.length = 0
    const { results } = await registry.enableEntries([id, 'nobody'], { actor, reason: 'mended' })
    expect(results.map(({ entry, error }) => [entry?.disabledAt, error?.reason])).toEqual([
      [undefined, undefined],
      [undefined, 'entry-not-found'],
    ])
    expect([index.get(id), await server.stored(id)]).toMatchObject([
      { id, revision: 2, disabledAt: undefined },
      { id, revision: 2, disabledAt: undefined },
    ])
    expect(server.audited).toMatchObject([
      { kind: 'entry.enabled', entryId: id, actor, reason: 'mended' },
    ])
    expect(await server.facts()).toHaveLength(2)

    const again = await registry.enableEntries([id], { actor })
    expect(again.position).toBe(0)
  })

  test('whose static key was revoked is told that it stays so', async () => {
    const [id = ''] = await create(server, inputOf('web'))
    const { registry, store, clock } = server
    await store.write((tx) => putRevokedKeys(tx, [id], clock.now()))
    const [off] = (await registry.disableEntries([id], { actor })).results
    const [on] = (await registry.enableEntries([id], { actor })).results
    expect([off?.warnings, on?.warnings]).toEqual([
      [],
      [expect.stringContaining(`the key of ${id} was revoked, and stays so`)],
    ])
  })

  test('no update enables an entry, whatever it says and by whichever mask', async () => {
    const [id = ''] = await create(server, inputOf('web'))
    const { registry } = server
    await registry.disableEntries([id], { actor })
    const since = (await server.stored(id))?.disabledAt
    const sly = { id, ...inputOf('web'), disabled: false, disabledAt: undefined, hint: 'new' }
    await registry.updateEntries([sly], { actor })
    await registry.updateEntries([sly], { actor, mask: new Set(['hint', 'disabled' as 'hint']) })
    expect(await server.stored(id)).toMatchObject({ hint: 'new', disabledAt: since })
    expect(since).toBeDefined()
  })

  test('an entry is made disabled where that is said, and on record as such', async () => {
    server.audited.length = 0
    const [id = ''] = await create(server, inputOf('web', { disabled: true }))
    expect(server.index.get(id)).toMatchObject({ revision: 0, disabledAt: server.clock.now() })
    expect(server.audited).toMatchObject([{ kind: 'entry.created', details: { disabled: true } }])
    const again = await server.registry.createEntries([inputOf('web')], { actor })
    expect(again.results[0]?.error?.reason).toBe('entry-exists')
    expect(await server.stored(id)).toMatchObject({ disabledAt: server.clock.now() })
  })
})

test('of two servers over one database neither undoes what the other has disabled, and both know the last of an ID', async () => {
  const database = await tempDatabase()
  const [one, other] = [await startServer(database), await startServer(database, 'other')]
  await one.store.write((tx) => putAuthority(tx, authorityOf('oauth')))
  const two = inputOf('web', { selectors: selectorsOf('uid:2') })
  const [first = '', second = ''] = await create(one, inputOf('web'), two)
  await other.clock.advance(1000)
  await expect.poll(() => other.index.get(second)).toBeDefined()
  const hint = { mask: new Set(['hint'] as const) }
  // The clocks stand still: neither index hears of what the other server writes.
  await Promise.all([
    one.registry.disableEntries([first], { actor }),
    other.registry.updateEntries([{ id: first, hint: 'new' }], { actor, ...hint }),
    other.registry.disableEntries([second], { actor }),
  ])
  const rows = await Promise.all([first, second].map(one.stored))
  expect(rows.map((row) => row?.disabledAt)).toEqual([one.clock.now(), other.clock.now()])
  expect(await one.facts()).toContainEqual(['spiffe-id', idOf('/web')])
})

import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { lastChange } from '../../../../server/store/changes.ts'
import { insertEntries, loadEntries } from '../../../../server/store/entries.ts'
import type { RefusedRow } from '../../../../server/store/row-seal.ts'
import { getSetting, putSetting } from '../../../../server/store/settings.ts'
import { openStore } from '../../../../server/store/store.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { anEntry, rejection, storeOptions, tempDatabase, tempStore } from './fixture.ts'

function anEvent(entryId: string): AuditEvent {
  const time = new Date('2026-06-01T12:00:00Z')
  return { kind: 'entry.created', time, actor: { kind: 'local' }, decision: 'allow', entryId }
}

describe('group commit', () => {
  test('jobs of one turn of the loop share one transaction and one audit write', async () => {
    const groups: (readonly AuditEvent[])[] = []
    // A clock that stands still: on a busy machine the group would be closed early.
    const store = await tempStore({
      clock: new FakeClock(),
      beforeCommit: async (events) => void groups.push(events),
    })
    await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        store.write(async (tx) => {
          tx.audit(anEvent(`entry-${i}`))
          await insertEntries(tx, [anEntry(`${i}`)])
        }),
      ),
    )
    expect(groups.map((events) => events.length)).toEqual([100])
    expect(groups[0]?.map((event) => event.entryId)).toEqual(
      Array.from({ length: 100 }, (_, i) => `entry-${i}`),
    )
  })

  test('a job that arrives while another one runs joins its transaction', async () => {
    let groups = 0
    const store = await tempStore({
      clock: new FakeClock(),
      beforeCommit: async () => {
        groups += 1
      },
    })
    const started = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const first = store.write(async () => {
      started.resolve()
      await goOn.promise
    })
    await started.promise
    const second = store.write((tx) => insertEntries(tx, [anEntry('late')]))
    goOn.resolve()
    await Promise.all([first, second])
    expect(groups).toBe(1)
  })

  test('a job that arrives while the audit trail is written gets the next transaction', async () => {
    const inTrail = Promise.withResolvers<void>()
    const trailWritten = Promise.withResolvers<void>()
    let groups = 0
    const store = await tempStore({
      beforeCommit: async () => {
        groups += 1
        inTrail.resolve()
        await trailWritten.promise
      },
    })
    const first = store.write((tx) => insertEntries(tx, [anEntry('first')]))
    await inTrail.promise
    const second = store.write((tx) => insertEntries(tx, [anEntry('second')]))
    trailWritten.resolve()
    await Promise.all([first, second])
    expect(groups).toBe(2)
  })

  test('readers see nothing of an open transaction and do not wait for it', async () => {
    const inTrail = Promise.withResolvers<void>()
    const trailWritten = Promise.withResolvers<void>()
    const store = await tempStore({
      beforeCommit: async () => {
        inTrail.resolve()
        await trailWritten.promise
      },
    })
    const writing = store.write((tx) => insertEntries(tx, [anEntry('web')]))
    await inTrail.promise
    expect(await loadEntries(store.db)).toEqual([])
    trailWritten.resolve()
    await writing
    expect(await loadEntries(store.db)).toEqual([anEntry('web')])
  })

  test('a job that fails is undone alone, with its changes and its audit events', async () => {
    const groups: (readonly AuditEvent[])[] = []
    const store = await tempStore({
      clock: new FakeClock(),
      beforeCommit: async (events) => void groups.push(events),
    })
    const failure = new CountersignError('invalid', 'no', { reason: 'no' })
    const results = await Promise.allSettled([
      store.write(async (tx) => {
        tx.audit(anEvent('a'))
        await insertEntries(tx, [anEntry('a')])
        return tx.lastChange
      }),
      store.write(async (tx) => {
        tx.audit(anEvent('b'))
        await insertEntries(tx, [anEntry('b')])
        throw failure
      }),
      store.write(async (tx) => {
        await insertEntries(tx, [anEntry('c')])
        return tx.lastChange
      }),
    ])
    expect(results).toEqual([
      { status: 'fulfilled', value: 1 },
      { status: 'rejected', reason: failure },
      { status: 'fulfilled', value: 2 },
    ])
    expect((await loadEntries(store.db)).map((entry) => entry.id)).toEqual(['entry-a', 'entry-c'])
    expect(await lastChange(store.db)).toBe(2)
    expect(groups.map((events) => events.map((event) => event.entryId))).toEqual([['a']])
  })

  test('a statement that the database refuses undoes its job alone', async () => {
    const store = await tempStore()
    const [good, bad] = await Promise.allSettled([
      store.write((tx) => insertEntries(tx, [anEntry('good')])),
      store.write((tx) => sql`insert into settings (name) values ('half')`.execute(tx.db)),
    ])
    expect([good?.status, bad?.status]).toEqual(['fulfilled', 'rejected'])
    expect(await loadEntries(store.db)).toHaveLength(1)
  })

  test.each(['select a from gone', 'select gone from entries'])(
    'what names a table or column that another version has taken away says so: %s',
    async (statement) => {
      const store = await tempStore()
      const error = await rejection(store.write((tx) => sql.raw(statement).execute(tx.db)))
      expect(error).toMatchObject({ code: 'conflict', reason: 'store-version' })
      expect(error).toHaveProperty('fix', expect.stringContaining('newer version'))
      // Other work is done as before.
      await store.write((tx) => tx.change('entry', ['a']))
    },
  )

  test('where the audit trail fails, every job is rejected and nothing is kept', async () => {
    let working = false
    const failure = new CountersignError('unavailable', 'no', { reason: 'audit-unwritable' })
    const store = await tempStore({
      beforeCommit: async () => {
        if (!working) throw failure
      },
    })
    const positions: number[] = []
    store.onCommit((position) => positions.push(position))
    const results = await Promise.allSettled(
      ['a', 'b', 'c'].map((name) => store.write((tx) => insertEntries(tx, [anEntry(name)]))),
    )
    expect(results).toEqual(Array(3).fill({ status: 'rejected', reason: failure }))
    expect(await loadEntries(store.db)).toEqual([])
    expect(await lastChange(store.db)).toBe(0)
    working = true
    await store.write((tx) => insertEntries(tx, [anEntry('a')]))
    expect(positions).toEqual([1])
  })

  test('listeners hear the last number of each commit, before the writer goes on', async () => {
    const store = await tempStore()
    const heard: (number | string)[] = []
    const stop = store.onCommit((position) => heard.push(position))
    await store.write((tx) => insertEntries(tx, [anEntry('a'), anEntry('b')]))
    heard.push('written')
    await store.write((tx) => putSetting(tx, 'color', 'blue'))
    stop()
    await store.write((tx) => insertEntries(tx, [anEntry('c')]))
    expect(heard).toEqual([2, 'written'])
  })

  test('a job that has ended can number and record nothing more', async () => {
    const store = await tempStore()
    const tx = await store.write(async (tx) => tx)
    await expect(tx.change('entry', ['late'])).rejects.toThrow()
    expect(() => tx.audit(anEvent('late'))).toThrow()
    await expect(putSetting(tx, 'late', '')).rejects.toThrow()
  })

  test('closing commits what waits and refuses what comes', async () => {
    const { connect } = await tempDatabase()
    const store = await openStore({ ...storeOptions, connect })
    const last = store.write((tx) => insertEntries(tx, [anEntry('last')]))
    const closing = store[Symbol.asyncDispose]()
    expect(await rejection(store.write(async () => 1))).toMatchObject({ reason: 'store-closed' })
    await last
    await closing
    await using again = await openStore({ ...storeOptions, connect })
    expect(await loadEntries(again.db)).toEqual([anEntry('last')])
  })

  test('a job that reads and then writes is not overtaken by another store on the database', async () => {
    const { connect } = await tempDatabase()
    const one = await tempStore({ connect })
    const other = await tempStore({ connect })
    const hasRead = Promise.withResolvers<void>()
    const first = one.write(async (tx) => {
      const before = await lastChange(tx.db)
      hasRead.resolve()
      for (let turn = 0; turn < 20; turn += 1) await new Promise((go) => setImmediate(go))
      return [before, await tx.change('entry', ['a'])]
    })
    await hasRead.promise
    const second = other.write((tx) => tx.change('entry', ['b']))
    expect(await Promise.all([first, second])).toEqual([[0, 1], 2])
  })

  test('two stores on one database number their changes without gaps', async () => {
    const { connect } = await tempDatabase()
    const one = await tempStore({ connect })
    const other = await tempStore({ connect })
    const names = Array.from({ length: 40 }, (_, i) => `${i}`)
    const numbers = await Promise.all(
      names.map((name, i) => (i % 2 === 0 ? one : other).write((tx) => tx.change('entry', [name]))),
    )
    expect(numbers.toSorted((a, b) => a - b)).toEqual(names.map((_, i) => i + 1))
  })
})

describe('opening', () => {
  test('a database keeps its log id, which is 128 random bits', async () => {
    const { connect } = await tempDatabase()
    const first = await openStore({ ...storeOptions, connect })
    await first[Symbol.asyncDispose]()
    await using second = await openStore({ ...storeOptions, connect })
    const other = await tempStore()
    expect(second.logId).toBe(first.logId)
    expect(second.logId).toMatch(/^[0-9a-f]{32}$/)
    expect(other.logId).not.toBe(first.logId)
  })

  test('the database of another trust domain is refused and stays as it is', async () => {
    const { connect } = await tempDatabase()
    const store = await tempStore({ connect })
    const trustDomain = TrustDomain.parse('other.test')
    // Of another trust domain the MACs have another key: that is not what is wrong.
    const other = { ...storeOptions, connect, trustDomain, sealKey: Buffer.alloc(32, 8) }
    const refused: RefusedRow[] = []
    const error = await rejection(openStore({ ...other, onRefused: (row) => refused.push(row) }))
    expect(error).toMatchObject({ code: 'conflict', reason: 'store-trust-domain' })
    expect(refused).toEqual([])
    expect(await getSetting(store.db, 'trust-domain')).toBe('example.org')
  })

  test('a database that a newer program has migrated is refused', async () => {
    const { connect } = await tempDatabase()
    const store = await openStore({ ...storeOptions, connect })
    await store.write((tx) =>
      sql`insert into kysely_migration (name, timestamp) values ('9999-later', '2030-01-01T00:00:00.000Z')`.execute(
        tx.db,
      ),
    )
    await store[Symbol.asyncDispose]()
    expect(await rejection(openStore({ ...storeOptions, connect }))).toMatchObject({
      code: 'conflict',
      reason: 'store-version',
    })
  })

  test('writing past the transactions is refused', async () => {
    const store = await tempStore()
    await expect(
      store.db.insertInto('settings').values({ name: 'a', value: 'b', mac: '' }).execute(),
    ).rejects.toThrow()
  })
})

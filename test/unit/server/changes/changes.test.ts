import type { KyselyPlugin } from 'kysely'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type ChangeBatch,
  type Changes,
  type ChangesDeps,
  openChanges,
} from '../../../../server/changes/changes.ts'
import { deleteAgent, putAgent } from '../../../../server/store/agents.ts'
import { deleteBundle, putBundle } from '../../../../server/store/bundles.ts'
import { pruneChanges, readChanges } from '../../../../server/store/changes.ts'
import { deleteEntries, insertEntries, updateEntries } from '../../../../server/store/entries.ts'
import { putSetting } from '../../../../server/store/settings.ts'
import type { Store } from '../../../../server/store/store.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import {
  anAgent,
  anEntry,
  rejection,
  tempDatabase,
  tempStore,
  trustDomain,
} from '../store/fixture.ts'

const aBundle: Bundle = {
  trustDomain,
  x509Authorities: [],
  jwtAuthorities: [],
  sequence: 1n,
  refreshHintSeconds: 0,
}

async function open(
  store: Store,
  deps: Partial<ChangesDeps> = {},
): Promise<{ changes: Changes; batches: ChangeBatch[]; clock: FakeClock }> {
  const batches: ChangeBatch[] = []
  const clock = new FakeClock()
  const onBatch = (batch: ChangeBatch): void => void batches.push(batch)
  const changes = await openChanges(store, { clock, log: silentLog, onBatch, ...deps })
  return { changes, batches, clock }
}

/** Follows until the test has ended, or `stop` is called. */
function follow(changes: Changes): { stop: () => Promise<void>; ended: Promise<void> } {
  const controller = new AbortController()
  const ended = changes.run(controller.signal)
  ended.catch(() => {})
  const stop = async (): Promise<void> => {
    controller.abort()
    await ended
  }
  onTestFinished(() => controller.abort())
  return { stop, ended }
}

/** Resolves when the follower has read all and sleeps until the next poll. */
async function idle(clock: FakeClock): Promise<void> {
  while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve))
}

function ids(batch: ChangeBatch | undefined): unknown {
  return [...(batch?.entries ?? [])].map(([id, entry]) => [id, entry?.hint])
}

describe('following the change log', () => {
  test('an empty store opens with one empty batch from 0', async () => {
    const { changes, batches } = await open(await tempStore())
    expect(batches).toMatchObject([{ from: 0, to: 0, authoritiesChanged: true }])
    expect(changes.position).toBe(0)
  })

  test('before it is open, everything there is comes as one batch from 0', async () => {
    const store = await tempStore()
    await store.write(async (tx) => {
      await insertEntries(tx, [anEntry('a'), anEntry('b')])
      await putAgent(tx, anAgent('n'))
      await putBundle(tx, aBundle)
      await deleteEntries(tx, ['entry-b'])
    })
    const { changes, batches } = await open(store)
    expect(batches).toEqual([
      {
        from: 0,
        to: 5,
        entries: new Map([['entry-a', anEntry('a')]]),
        agents: new Map([[anAgent('n').id, anAgent('n')]]),
        bundles: new Map([[trustDomain, aBundle]]),
        authoritiesChanged: true,
        policiesChanged: true,
        facts: [],
      },
    ])
    expect(changes.position).toBe(5)
    expect(changes.logId).toBe(store.logId)
  })

  test('a commit is followed at once, without the clock', async () => {
    const store = await tempStore()
    const { changes, batches, clock } = await open(store)
    follow(changes)
    await idle(clock)
    await store.write(async (tx) => {
      await insertEntries(tx, [anEntry('a')])
      await putAgent(tx, anAgent('n'))
    })
    await changes.reached(2)
    expect(batches[1]).toEqual({
      from: 0,
      to: 2,
      entries: new Map([['entry-a', anEntry('a')]]),
      agents: new Map([[anAgent('n').id, anAgent('n')]]),
      bundles: new Map(),
      authoritiesChanged: false,
      policiesChanged: false,
      facts: [],
    })
  })

  test('what was committed between opening and running is not missed', async () => {
    const store = await tempStore()
    const { changes, batches } = await open(store)
    await store.write((tx) => insertEntries(tx, [anEntry('a')]))
    follow(changes)
    await changes.reached(1)
    expect(ids(batches[1])).toEqual([['entry-a', '']])
  })

  test('a commit between the last reading and the rest after it is not slept over', async () => {
    const store = await tempStore()
    let armed = false
    const writeMeanwhile: KyselyPlugin = {
      transformQuery: ({ node }) => node,
      async transformResult({ result }) {
        if (armed && result.rows.length === 0) {
          armed = false
          await store.write((tx) => insertEntries(tx, [anEntry('b')]))
        }
        return result
      },
    }
    const { changes } = await open({ ...store, db: store.db.withPlugin(writeMeanwhile) })
    follow(changes)
    armed = true
    await store.write((tx) => insertEntries(tx, [anEntry('a')]))
    await changes.reached(2)
  })

  test('entries that this process wrote are handed on and not read again', async () => {
    const store = await tempStore()
    let rowsRead = 0
    const counting: KyselyPlugin = {
      transformQuery: ({ node }) => node,
      async transformResult({ result }) {
        rowsRead += result.rows.filter((row) => 'body' in row).length
        return result
      },
    }
    const { changes, batches } = await open({ ...store, db: store.db.withPlugin(counting) })
    follow(changes)
    await store.write(async (tx) => {
      await insertEntries(tx, [anEntry('a'), anEntry('b'), anEntry('c')])
      await updateEntries(tx, [anEntry('b', { hint: 'later' })])
      await deleteEntries(tx, ['entry-c'])
    })
    await changes.reached(5)
    expect(batches.slice(1).flatMap(ids)).toEqual([
      ['entry-a', ''],
      ['entry-b', 'later'],
      ['entry-c', undefined],
    ])
    expect(rowsRead).toBe(0)
  })

  test('what a job wrote that was undone is not handed on', async () => {
    const store = await tempStore()
    const { changes, batches } = await open(store)
    follow(changes)
    const undone = store.write(async (tx) => {
      await insertEntries(tx, [anEntry('a'), anEntry('b')])
      throw new Error('undone')
    })
    const [, position] = await Promise.all([
      rejection(undone),
      store.write((tx) => insertEntries(tx, [anEntry('c')]).then(() => tx.lastChange)),
    ])
    await changes.reached(position)
    expect(position).toBe(1)
    expect(batches.slice(1).flatMap(ids)).toEqual([['entry-c', '']])
  })

  test('the last word on a row is the log’s, whoever wrote it', async () => {
    const { connect } = await tempDatabase()
    const store = await tempStore({ connect })
    const otherServer = await tempStore({ connect })
    const { changes, batches } = await open(store)
    follow(changes)
    await store.write((tx) => insertEntries(tx, [anEntry('a'), anEntry('b')]))
    await changes.reached(2)
    await otherServer.write(async (tx) => {
      await updateEntries(tx, [anEntry('a', { hint: 'theirs' })])
      await deleteEntries(tx, ['entry-b'])
    })
    const last = await store.write(async (tx) => {
      await updateEntries(tx, [anEntry('a', { hint: 'ours' })])
      await insertEntries(tx, [anEntry('b', { hint: 'new' })])
      return tx.lastChange
    })
    await changes.reached(last)
    await otherServer.write((tx) => updateEntries(tx, [anEntry('b', { hint: 'theirs' })]))
    await store.write((tx) => updateEntries(tx, [anEntry('a', { hint: 'last' })]))
    await changes.reached(last + 2)
    const now = new Map(batches.flatMap((batch) => [...batch.entries]))
    expect([now.get('entry-a')?.hint, now.get('entry-b')?.hint]).toEqual(['last', 'theirs'])
  })

  test('without a hint the log is read again every 200 ms', async () => {
    const { connect } = await tempDatabase()
    const store = await tempStore({ connect })
    const otherServer = await tempStore({ connect })
    const { changes, clock } = await open(store)
    follow(changes)
    await idle(clock)
    await otherServer.write((tx) => insertEntries(tx, [anEntry('a')]))
    await clock.advance(199)
    expect(changes.position).toBe(0)
    await clock.advance(1)
    await idle(clock)
    expect(changes.position).toBe(1)
  })

  test('several changes of one row fold into one: the row as it is now', async () => {
    const store = await tempStore()
    const { changes, batches } = await open(store)
    await store.write((tx) => insertEntries(tx, [anEntry('a'), anEntry('b')]))
    await store.write((tx) => updateEntries(tx, [anEntry('a', { hint: '1' })]))
    await store.write((tx) => updateEntries(tx, [anEntry('a', { hint: '2' })]))
    await store.write((tx) => deleteEntries(tx, ['entry-b']))
    await store.write((tx) => putAgent(tx, anAgent('n')))
    await store.write((tx) => deleteAgent(tx, anAgent('n').id))
    await store.write((tx) => putBundle(tx, aBundle))
    await store.write((tx) => deleteBundle(tx, trustDomain))
    await store.write((tx) => tx.change('authority', ['k']))
    follow(changes)
    await changes.reached(10)
    expect(batches[1]).toEqual({
      from: 0,
      to: 10,
      entries: new Map([
        ['entry-a', anEntry('a', { hint: '2' })],
        ['entry-b', undefined],
      ]),
      agents: new Map([[anAgent('n').id, undefined]]),
      bundles: new Map([[trustDomain, undefined]]),
      authoritiesChanged: true,
      policiesChanged: false,
      facts: [],
    })
  })

  test('batches join without gap or overlap while many write, and end at the state of the store', async () => {
    const store = await tempStore()
    const { changes, batches } = await open(store, { clock: systemClock })
    follow(changes)
    await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        await store.write((tx) => insertEntries(tx, [anEntry(`${i}`)]))
        await store.write((tx) => updateEntries(tx, [anEntry(`${i}`, { hint: 'late' })]))
        if (i % 2 === 0) await store.write((tx) => deleteEntries(tx, [`entry-${i}`]))
      }),
    )
    await changes.reached(500)
    for (const [i, batch] of batches.entries()) expect(batch.from).toBe(batches[i - 1]?.to ?? 0)
    expect(batches.at(-1)?.to).toBe(500)
    const state = new Map(batches.flatMap((batch) => [...batch.entries]))
    const left = [...state.values()].filter((entry) => entry !== undefined)
    expect(left).toHaveLength(100)
    expect(left.every((entry) => entry.hint === 'late')).toBe(true)
  })

  test('onBatch is first, then the listeners in order; one that fails stops nobody', async () => {
    const store = await tempStore()
    const heard: string[] = []
    const { changes } = await open(store, { onBatch: (batch) => heard.push(`index ${batch.to}`) })
    changes.subscribe(() => heard.push('first'))
    changes.subscribe(() => {
      throw new Error('no')
    })
    const leave = changes.subscribe(() => heard.push('third'))
    follow(changes)
    await store.write((tx) => insertEntries(tx, [anEntry('a')]))
    await changes.reached(1)
    leave()
    await store.write((tx) => insertEntries(tx, [anEntry('b')]))
    await changes.reached(2)
    expect(heard).toEqual(['index 0', 'index 1', 'first', 'third', 'index 2', 'first'])
  })

  test('where onBatch fails, following ends with its error', async () => {
    const store = await tempStore()
    const failure = new Error('no')
    const { changes } = await open(store, {
      onBatch: (batch) => {
        if (batch.to > 0) throw failure
      },
    })
    const { ended } = follow(changes)
    await store.write((tx) => insertEntries(tx, [anEntry('a')]))
    expect(await rejection(ended)).toBe(failure)
    expect(await rejection(changes.reached(1))).toMatchObject({ reason: 'changes-stopped' })
  })

  test('a write that numbers nothing wakes nobody', async () => {
    const store = await tempStore()
    const { changes, batches, clock } = await open(store)
    follow(changes)
    await idle(clock)
    await store.write((tx) => putSetting(tx, 'color', 'blue'))
    await clock.advance(1000)
    expect(batches).toHaveLength(1)
  })

  test('a follower whose place in the log was pruned gets all rows, and what is gone as deleted', async () => {
    const store = await tempStore()
    await store.write((tx) => insertEntries(tx, [anEntry('gone'), anEntry('stays')]))
    await store.write((tx) => putAgent(tx, anAgent('gone')))
    const { changes, batches } = await open(store)
    await store.write((tx) => deleteEntries(tx, ['entry-gone']))
    await store.write((tx) => deleteAgent(tx, anAgent('gone').id))
    await store.write((tx) => insertEntries(tx, [anEntry('new')]))
    await store.write((tx) => pruneChanges(tx.db, 5, 1000))
    follow(changes)
    await changes.reached(6)
    expect(batches[1]).toEqual({
      from: 3,
      to: 6,
      entries: new Map([
        ['entry-stays', anEntry('stays')],
        ['entry-new', anEntry('new')],
        ['entry-gone', undefined],
      ]),
      agents: new Map([[anAgent('gone').id, undefined]]),
      bundles: new Map(),
      authoritiesChanged: true,
      policiesChanged: true,
      facts: [],
    })
  })

  test('the log keeps its last lines and forgets the others', async () => {
    const store = await tempStore()
    const { changes, clock } = await open(store, { keep: 10 })
    follow(changes)
    const refs = Array.from({ length: 1500 }, (_, i) => `${i}`)
    await store.write((tx) => tx.change('entry', refs))
    await changes.reached(1500)
    await idle(clock)
    // The pruning waits in the same queue as this write.
    await store.write(async () => {})
    const left = await readChanges(store.db, 0, 10_000)
    expect(left.map((change) => change.number)).toEqual(
      Array.from({ length: 10 }, (_, i) => 1491 + i),
    )
  })
})

describe('reached', () => {
  test('resolves at once for what has been reached, and for no change at all', async () => {
    const store = await tempStore()
    await store.write((tx) => insertEntries(tx, [anEntry('a')]))
    const { changes } = await open(store)
    await changes.reached(1)
    await changes.reached(0)
  })

  test('resolves after every listener has had the change', async () => {
    const store = await tempStore()
    const { changes } = await open(store)
    follow(changes)
    const heard: string[] = []
    changes.subscribe(() => heard.push('listener'))
    const reached = changes.reached(1).then(() => heard.push('reached'))
    await store.write((tx) => insertEntries(tx, [anEntry('a')]))
    await reached
    expect(heard).toEqual(['listener', 'reached'])
  })

  test('gives up when its signal aborts, with the reason', async () => {
    const { changes } = await open(await tempStore())
    const controller = new AbortController()
    const waiting = changes.reached(1, controller.signal)
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await rejection(waiting)).toBe(reason)
    expect(await rejection(changes.reached(1, controller.signal))).toBe(reason)
  })

  test('is rejected when following ends', async () => {
    const { changes, clock } = await open(await tempStore())
    const { stop } = follow(changes)
    await idle(clock)
    const waiting = rejection(changes.reached(1))
    await stop()
    expect(await waiting).toMatchObject({ code: 'unavailable', reason: 'changes-stopped' })
  })
})

describe('upToDate', () => {
  test('waits for the next reading, and is refused where the log cannot be read for a second', async () => {
    const { connect, execute } = await tempDatabase()
    const { changes, clock } = await open(await tempStore({ connect }))
    follow(changes)
    await changes.upToDate()
    await idle(clock)
    await execute('alter table changes rename to away')
    await clock.advance(900)
    await changes.upToDate()
    await clock.advance(100)
    const refused = rejection(changes.upToDate())
    await clock.advance(1000)
    expect(await refused).toMatchObject({ code: 'unavailable', reason: 'changes-unread' })
    const late = changes.upToDate()
    await execute('alter table away rename to changes')
    await clock.advance(200)
    await late
  })
})

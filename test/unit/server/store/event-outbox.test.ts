import { expect, test } from 'vitest'
import {
  addOutboxEvents,
  countOutbox,
  leaseOutboxEvent,
  type OutboxEvent,
  outboxEvents,
  pruneOutbox,
  releaseOutboxEvent,
  removeOutboxEvents,
} from '../../../../server/store/event-outbox.ts'
import { tempDatabase, tempStore } from './fixture.ts'

const start = Date.UTC(2026, 5, 1)
const at = (seconds: number) => new Date(start + seconds * 1000)

function events(stream: string, count: number, from = 0): readonly OutboxEvent[] {
  return Array.from({ length: count }, (_, n) => ({
    ...{ stream, jti: `${stream}-${from + n}`, body: `{"n":${from + n}}` },
    createdAt: at(from + n),
  }))
}

const jtis = (found: readonly OutboxEvent[]): readonly string[] => found.map(({ jti }) => jti)

test('events of a stream are told in order, the same again until they are removed, and of no other stream', async () => {
  await using store = await tempStore()
  await store.write(async (tx) => {
    await addOutboxEvents(tx, events('a', 300))
    await addOutboxEvents(tx, events('b', 2))
  })
  expect(await outboxEvents(store.db, 'a', 3)).toEqual(events('a', 3))
  const gone = await store.write((tx) => removeOutboxEvents(tx, 'a', ['a-1', 'a-0', 'b-0', 'x']))
  expect(gone).toBe(2)
  expect(jtis(await outboxEvents(store.db, 'a', 2))).toEqual(['a-2', 'a-3'])
  expect(jtis(await outboxEvents(store.db, 'b', 9))).toEqual(['b-0', 'b-1'])
  expect(await store.write((tx) => removeOutboxEvents(tx, 'a', []))).toBe(0)
})

test('of two servers that send a stream each event is with one, until its time is over or it is given back', async () => {
  const { connect } = await tempDatabase()
  await using first = await tempStore({ connect })
  await using second = await tempStore({ connect })
  await first.write((tx) => addOutboxEvents(tx, events('a', 20)))
  const lease = (store: typeof first, now: number) =>
    store.write((tx) => leaseOutboxEvent(tx, 'a', at(now), at(now + 30)))
  const leased = await Promise.all(
    Array.from({ length: 21 }, (_, n) => lease(n % 2 === 0 ? first : second, 100)),
  )
  const got = leased.flatMap((event) => (event === undefined ? [] : [event.jti]))
  expect(new Set(got).size).toBe(got.length)
  // On a database where both write at once one may have come for nothing.
  for (let event = await lease(first, 100); event !== undefined; ) {
    got.push(event.jti)
    event = await lease(first, 100)
  }
  expect(new Set(got)).toEqual(new Set(jtis(events('a', 20))))
  expect(got).toHaveLength(20)
  await second.write((tx) => releaseOutboxEvent(tx, 'a', 'a-7'))
  expect((await lease(first, 101))?.jti).toBe('a-7')
  expect(await lease(second, 129)).toBeUndefined()
  expect((await lease(second, 130))?.jti).toBe('a-0')
})

test('what is not fetched for a day, and of a stream what is too much, is dropped and counted', async () => {
  await using store = await tempStore()
  await store.write(async (tx) => {
    await addOutboxEvents(tx, events('a', 10))
    await addOutboxEvents(tx, events('b', 10, 100))
    await addOutboxEvents(tx, events('c', 3, 100))
  })
  const gone = await store.write((tx) => pruneOutbox(tx, at(4), 8))
  expect(gone).toEqual(
    new Map([
      ['a', 4],
      ['b', 2],
    ]),
  )
  expect(await countOutbox(store.db)).toEqual(
    new Map([
      ['a', 6],
      ['b', 8],
      ['c', 3],
    ]),
  )
  expect(jtis(await outboxEvents(store.db, 'b', 1))).toEqual(['b-102'])
})

test('T10 an event that somebody wrote into the database is none: it would be signed', async () => {
  const database = await tempDatabase()
  await using store = await tempStore({ connect: database.connect })
  await store.write((tx) => addOutboxEvents(tx, events('a', 2)))
  await database.execute(`update event_outbox set stream = 'b' where jti = 'a-0'`)
  await database.execute(`update event_outbox set body = '{"n":9}' where jti = 'a-1'`)
  expect(await outboxEvents(store.db, 'a', 9)).toEqual([])
  expect(await outboxEvents(store.db, 'b', 9)).toEqual([])
  const leased = await store.write((tx) => leaseOutboxEvent(tx, 'b', at(0), at(30)))
  expect(leased).toBeUndefined()
  expect(store.refusedRows()).toBe(2)
})

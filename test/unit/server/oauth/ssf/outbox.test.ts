import { beforeEach, expect, test } from 'vitest'
import { createOutbox, type Outbox } from '../../../../../server/oauth/ssf/outbox.ts'
import { createPollDoor, type PollDoor } from '../../../../../server/oauth/ssf/poll.ts'
import type { EventStream } from '../../../../../server/oauth/ssf/settings.ts'
import type { Store } from '../../../../../server/store/store.ts'
import type { AuditEvent } from '../../../../../src/audit/event.ts'
import { silentLog } from '../../../../../src/runtime/log.ts'
import { eventually } from '../../../../../src/testing/eventually.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'
import { tempStore } from '../../store/fixture.ts'

const stream: EventStream = {
  ...{ id: 'siem', audience: 'https://siem.example', receivers: new Set() },
  ...{ events: new Set(['session-revoked']), subjects: undefined, push: undefined },
}
const body = '{"events":{}}'
let clock: FakeClock
let recorded: AuditEvent[]
let counted: unknown[]
let waiting: unknown[]
let wake: (batch: never) => void
let stop: AbortController

beforeEach(() => {
  clock = new FakeClock()
  recorded = []
  counted = []
  waiting = []
  stop = new AbortController()
})

function open(store: Store): Outbox {
  return createOutbox({
    ...{ issuer: 'https://as.example.org', store, clock, log: silentLog },
    streams: new Map([[stream.id, stream]]),
    ca: { signEvent: async (claims) => JSON.stringify(claims) },
    changes: {
      subscribe(listener) {
        wake = listener
        return () => {}
      },
    },
    async append(events) {
      recorded.push(...events)
    },
    observeEvents: (...one) => void counted.push(one),
    observeWaiting: (...one) => void waiting.push(one),
  })
}

const add = (outbox: Outbox, jti: string) =>
  outbox.add({ stream: stream.id, jti, body, createdAt: clock.now() })

test('what is not fetched for a day is dropped, and said: in the trail and in the metrics', async () => {
  await using store = await tempStore()
  const outbox = open(store)
  await add(outbox, 'old')
  clock.jump(86_400_001)
  await add(outbox, 'new')
  const running = outbox.run(stop.signal).catch(() => {})
  await eventually(() => waiting.length > 0)
  expect(waiting).toEqual([['siem', 1]])
  expect(counted).toEqual([['siem', 'dropped', 1]])
  expect(recorded).toMatchObject([
    { kind: 'event.dropped', reason: 'not-fetched', details: { stream: 'siem', count: 1 } },
  ])
  expect((await outbox.read(stream, 9)).events.map(({ jti }) => jti)).toEqual(['new'])
  stop.abort()
  await running
})

test('nothing is dropped because the wall clock is ahead', async () => {
  await using store = await tempStore()
  const outbox = open(store)
  await add(outbox, 'a')
  const running = outbox.run(stop.signal).catch(() => {})
  await eventually(() => waiting.length === 1)
  clock.jump(2 * 86_400_000)
  await clock.advance(10_000)
  await eventually(() => waiting.length === 2)
  expect(waiting).toEqual([
    ['siem', 1],
    ['siem', 1],
  ])
  expect(recorded).toEqual([])
  stop.abort()
  await running
})

test('RFC 8417 §2.2 a token says who, to whom, when and what, the same each time, and has no sub and no exp', async () => {
  await using store = await tempStore()
  const outbox = open(store)
  await add(outbox, 'a')
  const read = async () => (await outbox.read(stream, 9)).events
  const [event] = await read()
  expect(JSON.parse(event?.token ?? '')).toEqual({
    ...{ iss: 'https://as.example.org', aud: stream.audience, jti: 'a', events: {} },
    iat: Math.floor(clock.now().getTime() / 1000),
  })
  clock.jump(5000)
  expect(await read()).toEqual([event])
})

/** A receiver that waits; what it is answered. */
function waiter(poll: PollDoor, gone = new AbortController()): { answer?: string } {
  const one: { answer?: string } = {}
  void poll(stream, '{}', gone.signal).then((answer) => {
    one.answer = answer.body
  })
  return one
}

test('RFC 8936 §2.2 a request waits for half a minute at most, and no longer than its receiver is there', async () => {
  await using store = await tempStore()
  const poll = createPollDoor({ outbox: open(store), clock, log: silentLog })
  const gone = new AbortController()
  const [patient, leaving] = [waiter(poll), waiter(poll, gone)]
  await eventually(() => clock.sleeping === 2)
  gone.abort()
  await eventually(() => leaving.answer === '{"sets":{}}')
  for (let passed = 0; passed < 25; passed += 5) {
    await clock.advance(5000)
    await eventually(() => clock.sleeping === 1)
  }
  expect(patient.answer).toBeUndefined()
  await clock.advance(5000)
  await eventually(() => patient.answer === '{"sets":{}}')
})

test('RFC 8936 §2.4 whoever wants no event, but acknowledges some, is told of none and does not wait', async () => {
  await using store = await tempStore()
  const outbox = open(store)
  const poll = createPollDoor({ outbox, clock, log: silentLog })
  const never = new AbortController().signal
  const ask = async (said: object) => (await poll(stream, JSON.stringify(said), never)).body
  for (const jti of ['a', 'b']) await add(outbox, jti)
  expect(await ask({ maxEvents: 0, ack: ['a'] })).toBe('{"sets":{}}')
  expect(Object.keys(JSON.parse(await ask({ returnImmediately: true })).sets)).toEqual(['b'])
  expect(await ask({ maxEvents: 0, ack: ['b'] })).toBe('{"sets":{}}')
  expect(await ask({ maxEvents: 0 })).toBe('{"sets":{}}')
})

test('RFC 8936 §2.2 whoever asks to be answered at once does not wait', async () => {
  await using store = await tempStore()
  const poll = createPollDoor({ outbox: open(store), clock, log: silentLog })
  const { body } = await poll(stream, '{"returnImmediately":true}', new AbortController().signal)
  expect([body, clock.sleeping]).toEqual(['{"sets":{}}', 0])
})

test('of one stream four requests wait; the next are answered at once, and all by what happens', async () => {
  await using store = await tempStore()
  const outbox = open(store)
  const poll = createPollDoor({ outbox, clock, log: silentLog })
  const waiters = Array.from({ length: 4 }, () => waiter(poll))
  await eventually(() => clock.sleeping === 4)
  const fifth = waiter(poll)
  await eventually(() => fifth.answer === '{"sets":{}}')
  await add(outbox, 'a')
  await eventually(() => waiters.every(({ answer }) => answer?.includes('"a":') === true))
})

test('whoever waits is let go when the server stops, without another look at the store', async () => {
  await using store = await tempStore()
  const outbox = open(store)
  const poll = createPollDoor({ outbox, clock, log: silentLog })
  const running = outbox.run(stop.signal).catch(() => {})
  await eventually(() => waiting.length > 0)
  const one = waiter(poll)
  await eventually(() => clock.sleeping === 2)
  wake({ facts: [{}] } as never)
  await eventually(() => clock.sleeping === 2)
  stop.abort()
  await running
  await eventually(() => one.answer === '{"sets":{}}')
})

test('what one server is about to push no other sends, for half a minute or until it is let go of', async () => {
  await using store = await tempStore()
  const [one, other] = [open(store), open(store)]
  await add(one, 'a')
  expect(await one.lease(stream)).toMatchObject({ jti: 'a' })
  expect(await other.lease(stream)).toBeUndefined()
  await one.release(stream, 'a')
  expect(await other.lease(stream)).toMatchObject({ jti: 'a' })
  clock.jump(29_999)
  expect(await one.lease(stream)).toBeUndefined()
  clock.jump(2)
  expect(await one.lease(stream)).toMatchObject({ jti: 'a' })
})

test('what a receiver has, or refuses, is gone and counted; what it refuses is on record too', async () => {
  await using store = await tempStore()
  const outbox = open(store)
  for (const jti of ['a', 'b', 'c']) await add(outbox, jti)
  await outbox.remove(stream, ['a', 'a', 'unknown'])
  expect([counted, recorded]).toEqual([[['siem', 'delivered', 1]], []])
  await outbox.remove(stream, ['b', 'c'], true)
  expect(counted.at(-1)).toEqual(['siem', 'refused', 2])
  expect(recorded).toMatchObject([
    { kind: 'event.dropped', reason: 'receiver-refused', details: { stream: 'siem', count: 2 } },
  ])
  await outbox.remove(stream, ['b'], true)
  expect([counted.length, recorded.length]).toEqual([2, 1])
})

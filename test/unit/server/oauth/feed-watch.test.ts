import { beforeEach, expect, test } from 'vitest'
import { type FeedWatchDeps, runFeedWatch } from '../../../../server/oauth/feed-watch.ts'
import type { StreamStanding } from '../../../../server/revocation/acknowledgements.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { orders, resourceOf } from '../../../support/oauth.ts'

const stock = 'https://stock.example.org'
const [one, other] = ['/one', '/other'].map((path) =>
  SpiffeId.parse(`spiffe://here.test${path}`),
) as [SpiffeId, SpiffeId]
let clock: FakeClock
let standings: readonly StreamStanding[]
let events: AuditEvent[]
let seen: Map<string, readonly [readers: number, unacknowledged: number, alarmed: boolean]>

beforeEach(() => {
  clock = new FakeClock()
  standings = []
  events = []
  seen = new Map()
})

function watch(alarmAfterSeconds: number): void {
  const resources = new Map([
    [orders, resourceOf(orders, { servedBy: new Set([one, other]) })],
    [stock, resourceOf(stock, { servedBy: new Set([other]) })],
  ])
  const deps: FeedWatchDeps = {
    settings: { resources, canary: { everySeconds: 30, alarmAfterSeconds } },
    acknowledgements: { note() {}, standings: () => standings },
    changes: { subscribe: () => () => {} },
    append: async (more) => events.push(...more),
    observeReaders: (resource, ...what) => void seen.set(resource, what),
    ...{ clock, log: silentLog },
  }
  void runFeedWatch(deps, new AbortController().signal)
}

const owing = (
  spiffeId: SpiffeId,
  owesMs: number,
  unacknowledged = 0,
  nonce = spiffeId as string,
): StreamStanding => ({ ...{ spiffeId, nonce, unacknowledged, owesMs } })

test('each resource has its readers counted, and what the last of them lacks, also where there are none', async () => {
  watch(1)
  standings = [owing(one, 0, 5), owing(one, 0, 2)]
  await clock.advance(250)
  expect(Object.fromEntries(seen)).toEqual({ [orders]: [2, 5, false], [stock]: [0, 0, false] })
  standings = [
    owing(one, 0, 2),
    owing(other, 0, 7),
    owing(SpiffeId.parse('spiffe://here.test/x'), 0, 9),
  ]
  await clock.advance(250)
  expect(Object.fromEntries(seen)).toEqual({ [orders]: [2, 7, false], [stock]: [1, 7, false] })
})

test('an alarm is told once as it begins, once as it ends, and anew when it begins again', async () => {
  watch(2)
  for (const owesMs of [2000, 2001, 5000, 0, 0, 2001]) {
    standings = [owing(one, owesMs), owing(other, 0)]
    await clock.advance(250)
  }
  expect(events).toMatchObject([
    { kind: 'feed.alarmed', audience: [orders], spiffeId: one, reason: 'not-acknowledged' },
    { kind: 'feed.recovered', audience: [orders], decision: 'allow' },
    { kind: 'feed.alarmed', audience: [orders] },
  ])
  expect([seen.get(orders)?.[2], seen.get(stock)?.[2]]).toEqual([true, false])
})

test('readers have a second in any case', async () => {
  watch(0.1)
  standings = [owing(one, 1000)]
  await clock.advance(250)
  expect(events).toEqual([])
  standings = [owing(one, 1001)]
  await clock.advance(250)
  expect(events.length).toBe(1)
})

test('an alarm ends by what was acknowledged, or because the reader that was late is gone', async () => {
  const late = owing(one, 2000, 1, 'a')
  const cases: readonly (readonly [readonly (readonly StreamStanding[])[], string])[] = [
    [[[late], [owing(one, 0, 0, 'a')]], 'acknowledged'],
    [[[late], []], 'reader-gone'],
    // Its next connection has another nonce.
    [[[late], [owing(one, 0, 0, 'b')]], 'reader-gone'],
    [
      [[late, owing(one, 2000, 1, 'b')], [owing(one, 2000, 1, 'b')], [owing(one, 0, 0, 'b')]],
      'reader-gone',
    ],
    [
      [[late, owing(one, 2000, 1, 'b')], [late, owing(one, 0, 0, 'b')], [owing(one, 0, 0, 'a')]],
      'acknowledged',
    ],
  ]
  watch(1)
  for (const [looks, reason] of cases) {
    events = []
    for (const look of looks) {
      standings = look
      await clock.advance(250)
    }
    expect(events).toMatchObject([
      { kind: 'feed.alarmed', spiffeId: one, reason: 'not-acknowledged' },
      { kind: 'feed.recovered', audience: [orders], reason },
    ])
  }
})

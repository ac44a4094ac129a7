import { expect, test } from 'vitest'
import {
  dueOf,
  type Followed,
  failed,
  follow,
  hintWithin,
  idleMs,
  newlyFollowed,
  succeeded,
} from '../../../../server/bundle/poll-schedule.ts'
import type { FederationRelationship } from '../../../../server/store/records.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'

const now = new Date('2026-06-01T12:00:00Z')
const away = new CountersignError('unavailable', 'away', { reason: 'federation-unreachable' })

function relationship(name: string, url = `https://${name}/`): FederationRelationship {
  return {
    trustDomain: TrustDomain.parse(name),
    bundleEndpointUrl: url,
    profile: { type: 'https_web' },
  }
}

const peer = newlyFollowed(relationship('peer.test'), 0)

/** Seconds until the next fetch after a good one, at the least and at the most of chance. */
function intervals(hint: number): readonly number[] {
  return [1, 0].map((random) => succeeded(peer, hint, { now, nowMs: 0 }, random).dueAtMs / 1000)
}

test.each([
  ['the hint of the bundle', 60, [54, 60]],
  ['five minutes without one', 0, [270, 300]],
  ['no less than five seconds', 1, [4.5, 5]],
  ['no more than a day', 30 * 86_400, [77_760, 86_400]],
])('TDB-08 FED-04 a bundle is fetched anew after %s', (_, hint, expected) => {
  expect(intervals(hint)).toEqual(expected)
})

test.each([
  ['short', 1, [60, 120, 240, 240]],
  ['usual', 300, [300, 600, 1200, 1200]],
  ['long', 3600, [3600, 3600, 3600]],
])(
  'FED-32 after a failure the next try waits for an interval or longer, and a minute: %s',
  (_, hint, expected) => {
    let followed = peer
    let nowMs = 0
    const waits: number[] = []
    for (const __ of expected) {
      followed = failed(followed, away, hint, { now, nowMs }, 0)
      waits.push((followed.dueAtMs - nowMs) / 1000)
      nowMs = followed.dueAtMs
    }
    expect(waits).toEqual(expected)
    expect(failed(peer, away, 1, { now, nowMs: 0 }, 1).dueAtMs).toBe(60_000)
  },
)

test('a failure is known until the next success, and so is the last success', () => {
  const good = succeeded(peer, 60, { now, nowMs: 0 }, 0)
  const later = new Date(now.getTime() + 60_000)
  const bad = failed(good, away, 60, { now: later, nowMs: 60_000 }, 0)
  expect(bad).toMatchObject({ confirmedAt: now, failures: 1, failure: { at: later, error: away } })
  expect(succeeded(bad, 60, { now: later, nowMs: 120_000 }, 0)).toMatchObject({
    confirmedAt: later,
    failures: 0,
    failure: undefined,
  })
})

test('a relationship that is new or points elsewhere is due at once, one that is gone is forgotten', () => {
  const [a, b, c] = ['a.test', 'b.test', 'c.test'].map((name) => relationship(name)) as [
    FederationRelationship,
    FederationRelationship,
    FederationRelationship,
  ]
  const good = (one: FederationRelationship): [TrustDomain, Followed] => [
    one.trustDomain,
    succeeded(newlyFollowed(one, 0), 60, { now, nowMs: 0 }, 0),
  ]
  const before = new Map([good(a), good(b), good(c)])
  const moved = relationship('b.test', 'https://moved.test/')
  const endpointSpiffeId = SpiffeId.parse('spiffe://c.test/spire/server')
  const pinned = { ...c, profile: { type: 'https_spiffe', endpointSpiffeId } as const }
  const fresh = relationship('d.test')
  const soon = { now, nowMs: 1000 }
  expect(dueOf(follow(before, [a, b, c], new Map(), soon), 1000)).toEqual([])
  const after = follow(before, [a, moved, pinned, fresh], new Map(), soon)
  expect(dueOf(after, 1000).map((one) => one.relationship)).toEqual([moved, pinned, fresh])
  expect([...follow(before, [a], new Map(), soon).keys()]).toEqual(['a.test'])
})

test('the longest overdue comes first, and until something is due there is time', () => {
  const all = new Map(
    [3000, 1000, 2000].map((dueAtMs, at) => {
      const one = relationship(`${at}.test`)
      return [one.trustDomain, newlyFollowed(one, dueAtMs)]
    }),
  )
  expect(dueOf(all, 2500).map(({ dueAtMs }) => dueAtMs)).toEqual([1000, 2000])
  expect(idleMs(all, 400)).toBe(600)
  expect(idleMs(new Map(), 0)).toBe(Infinity)
})

test('what other servers have confirmed counts, and so does what this one has, whichever is later', () => {
  const one = relationship('peer.test')
  const { trustDomain } = one
  const later = new Date(now.getTime() + 60_000)
  const at = { now, nowMs: 0 }
  const before = new Map([[trustDomain, succeeded(peer, 60, at, 0)]])
  const confirmedAt = (stored: Date | undefined, followed = before) =>
    follow(followed, [one], new Map(stored && [[trustDomain, stored]]), at).get(trustDomain)
      ?.confirmedAt
  expect(confirmedAt(undefined)).toEqual(now)
  expect(confirmedAt(later)).toEqual(later)
  expect(confirmedAt(new Date(0))).toEqual(now)
  expect(confirmedAt(undefined, new Map())).toBeUndefined()
  // Not what a clock has said that was set back since.
  const ahead = new Map([[trustDomain, succeeded(peer, 60, { now: later, nowMs: 0 }, 0)]])
  expect(confirmedAt(now, ahead)).toEqual(now)
  // Who serves it has changed; the bundle is as old as it was.
  const moved = relationship('peer.test', 'https://moved.test/')
  expect(follow(before, [moved], new Map(), at).get(trustDomain)).toMatchObject({
    ...{ confirmedAt: now, dueAtMs: 0 },
  })
})

test('it is asked for often enough that a failure or two do not make it stale', () => {
  expect([0, 60, 86_400].map((hint) => hintWithin(hint, 86_400))).toEqual([300, 60, 21_600])
  expect(hintWithin(0, 600)).toBe(150)
})

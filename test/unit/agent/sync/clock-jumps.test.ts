import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { type HeldSvid, holdNewSvid, shownBy } from '../../../../agent/cache/held-svid.ts'
import { SharedMap } from '../../../../agent/cache/shared-map.ts'
import { emptySnapshot } from '../../../../agent/cache/snapshot.ts'
import { due } from '../../../../agent/sync/due.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import type { X509Svid } from '../../../../src/svid/x509-svid.ts'
import { entryOf, hourMs, makeCa, start, svidFor } from '../cache/fixture.ts'

const minuteMs = 60_000
const dayMs = 24 * hourMs
const entries = Array.from({ length: 10 }, (_, at) =>
  entryOf(`/n/${at}`, [`unix:uid:${at}`], { id: `n${at}` }),
)

/** Real bytes, whose dates are said anew for each that is signed. */
let sample: X509Svid

beforeAll(async () => {
  sample = await svidFor({ spiffeId: entries[0]?.spiffeId as Entry['spiffeId'] }, await makeCa())
})

interface Jump {
  readonly atMinute: number
  readonly byMs: number
}

/** When each SVID was renewed, by the monotonic clock, over a day; the server's clock is right. */
function renewalsOverADay(
  jumps: readonly Jump[],
  chances: readonly number[],
): Map<string, number[]> {
  const renewals = new Map<string, number[]>(entries.map(({ id }) => [id, []]))
  let held = SharedMap.of<HeldSvid>()
  let jumpedMs = 0
  let drawn = 0
  for (let minute = 0; minute < dayMs / minuteMs; minute += 1) {
    for (const jump of jumps) if (jump.atMinute === minute) jumpedMs += jump.byMs
    const monotonicMs = minute * minuteMs
    const right = start.getTime() + monotonicMs
    const at = { now: new Date(right + jumpedMs), monotonicMs }
    const plan = due({ ...emptySnapshot, svids: held }, at, entries, new Map(), undefined)
    held = held.with(
      plan.now.map(({ entry }) => {
        renewals.get(entry.id)?.push(monotonicMs)
        const svid = {
          ...sample,
          spiffeId: entry.spiffeId,
          notBefore: new Date(right - 10_000),
          expiresAt: new Date(right + hourMs),
        }
        drawn += 1
        const chance = chances[drawn % chances.length] as number
        return [entry.id, holdNewSvid(svid, shownBy(entry), at, chance)] as const
      }),
    )
  }
  return renewals
}

const chancesArbitrary = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
  minLength: 1,
  maxLength: 20,
})

test('each SVID is renewed every half-life, and the draws keep them apart', () => {
  const renewals = renewalsOverADay([], [0, 0.25, 0.5, 0.75, 1])
  for (const times of renewals.values()) {
    const gaps = times.slice(1).map((time, at) => time - (times[at] as number))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(27 * minuteMs)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(34 * minuteMs)
  }
  expect(new Set([...renewals.values()].map((times) => times[1])).size).toBeGreaterThan(2)
})

test('T20 however a clock jumps, each jump costs each SVID one renewal at most', () => {
  const jump = fc.record({
    atMinute: fc.integer({ min: 1, max: 23 * 60 }),
    byMs: fc.oneof(
      fc.constantFrom(-dayMs, -hourMs, hourMs, dayMs),
      fc.integer({ min: -2 * dayMs, max: 2 * dayMs }),
      fc.integer({ min: -10 * minuteMs, max: 10 * minuteMs }),
    ),
  })
  fc.assert(
    fc.property(fc.array(jump, { maxLength: 4 }), chancesArbitrary, (jumps, chances) => {
      // A clock that is ahead by up to a tenth of a life is believed: each SVID is good for that much less.
      const shortestMs = 0.45 * 0.9 * hourMs
      for (const times of renewalsOverADay(jumps, chances).values()) {
        const early = times.slice(1).filter((time, at) => time - (times[at] as number) < shortestMs)
        expect(early.length).toBeLessThanOrEqual(jumps.length)
        // Nor is anything put off: not by a clock that is behind either.
        const gaps = times.slice(1).map((time, at) => time - (times[at] as number))
        expect(Math.max(...gaps)).toBeLessThanOrEqual(0.55 * hourMs + minuteMs)
      }
    }),
    { numRuns: 60 },
  )
})

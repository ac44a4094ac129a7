import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type HeldSvid, halfLife, holdNewSvid, shownBy } from '../../../../agent/cache/held-svid.ts'
import { SharedMap } from '../../../../agent/cache/shared-map.ts'
import { emptySnapshot } from '../../../../agent/cache/snapshot.ts'
import { type Due, due, type Refusal } from '../../../../agent/sync/due.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import { clocksApart } from '../../../../src/runtime/clocks-apart.ts'
import type { CertificateAuthority } from '../../../../src/x509/issue.ts'
import { bundleWith, entryOf, hourMs, makeCa, start, svidFor } from '../cache/fixture.ts'

let ca: CertificateAuthority
let next: CertificateAuthority
let held: HeldSvid
const web = entryOf('/web', ['unix:uid:1000'], { id: 'web' })
const minuteMs = 60_000

beforeAll(async () => {
  ca = await makeCa()
  next = await makeCa()
})

beforeEach(async () => {
  const svid = await svidFor(web, ca)
  held = holdNewSvid(svid, shownBy(web), { now: start, monotonicMs: 0 }, 0.5)
})

/** As seen after `ms`; the wall clock may have been set by `jumpedMs`. */
function look(
  ms: number,
  options: {
    readonly jumpedMs?: number
    readonly entry?: Entry
    readonly svid?: HeldSvid | undefined
    readonly refusal?: Refusal
    readonly bundle?: Bundle
  } = {},
): Due {
  const entry = options.entry ?? web
  const svid = 'svid' in options ? options.svid : held
  const svids = SharedMap.of(svid === undefined ? [] : [[entry.id, svid] as const])
  return due(
    { ...emptySnapshot, entries: SharedMap.of([[entry.id, entry]]), svids },
    { now: new Date(start.getTime() + ms + (options.jumpedMs ?? 0)), monotonicMs: ms },
    [entry],
    new Map(options.refusal === undefined ? [] : [[entry.id, options.refusal]]),
    options.bundle ?? bundleWith([{ ca }, { ca: next }]),
  )
}

const reasons = (plan: Due): string[] => plan.now.map(({ reason }) => reason)

describe('what is due', () => {
  test('an SVID that is missing, at once', () => {
    expect(look(0, { svid: undefined })).toMatchObject({ now: [{ reason: 'missing' }] })
  })

  test('one that has passed half of its life, and not before', () => {
    expect(look(0)).toEqual({ now: [], nextInMs: hourMs / 2 })
    expect(reasons(look(hourMs / 2 - 1))).toEqual([])
    expect(reasons(look(hourMs / 2))).toEqual(['half-life'])
  })

  test('half a life is drawn once, within ten per cent of it either way', () => {
    expect([halfLife(0), halfLife(0.5), halfLife(1)]).toEqual([0.45, 0.5, 0.55])
    for (const chance of [0, 0.3, 1]) {
      const drawn = holdNewSvid(held.svid, '', { now: start, monotonicMs: 5 }, chance)
      expect(drawn.renewAtMs).toBeCloseTo(5 + hourMs * halfLife(chance))
    }
  })

  test('one whose entry asks the certificate to show something else', () => {
    for (const change of [{ dnsNames: ['a.test'] }, { x509SvidTtlSeconds: 60 }]) {
      expect(reasons(look(0, { entry: { ...web, revision: 1, ...change } }))).toEqual(['changed'])
    }
    const unseen = { owner: 'me', hint: 'h', revision: 5, jwtSvidTtlSeconds: 9 }
    expect(reasons(look(0, { entry: { ...web, ...unseen } }))).toEqual([])
  })

  test('T26 one signed by an authority that is tainted, or gone from the bundle', () => {
    expect(reasons(look(0, { bundle: bundleWith([{ ca, tainted: true }, { ca: next }]) }))).toEqual(
      ['tainted'],
    )
    expect(reasons(look(0, { bundle: bundleWith([{ ca: next }]) }))).toEqual(['tainted'])
    expect(reasons(look(0, { bundle: bundleWith([{ ca }, { ca: next, tainted: true }]) }))).toEqual(
      [],
    )
  })

  test('those that a workload lacks come before those that are merely old', () => {
    const old = entryOf('/old', ['unix:uid:1'], { id: 'old' })
    const snapshot = {
      ...emptySnapshot,
      entries: SharedMap.of([
        ['web', web],
        ['old', old],
      ]),
      svids: SharedMap.of([['old', { ...held, shows: shownBy(old) }]]),
    }
    const at = { now: start, monotonicMs: hourMs / 2 }
    const plan = due(snapshot, at, [old, web], new Map(), bundleWith([{ ca }]))
    expect(plan.now.map(({ entry }) => entry.id)).toEqual(['web', 'old'])
  })
})

describe('a clock that is set', () => {
  test('T20 one that is ahead by almost a lifetime when SVIDs come asks for no more of them', () => {
    for (const aheadMs of [59 * minuteMs, hourMs - 1000, hourMs]) {
      const at = { now: new Date(start.getTime() + aheadMs), monotonicMs: 0 }
      const svid = holdNewSvid(held.svid, shownBy(web), at, 0.5)
      expect(look(0, { jumpedMs: aheadMs, svid })).toEqual({ now: [], nextInMs: hourMs / 2 })
      expect(reasons(look(29 * minuteMs, { jumpedMs: aheadMs, svid }))).toEqual([])
      expect(reasons(look(30 * minuteMs, { jumpedMs: aheadMs, svid }))).toEqual(['half-life'])
    }
  })

  test('T20 back by an hour makes nothing due, and puts nothing off', () => {
    expect(look(minuteMs, { jumpedMs: -hourMs })).toEqual({
      now: [],
      nextInMs: hourMs / 2 - minuteMs,
    })
    expect(reasons(look(hourMs / 2, { jumpedMs: -hourMs }))).toEqual(['half-life'])
  })

  test('T20 forward makes due what has expired by it, and nothing else', () => {
    expect(reasons(look(minuteMs, { jumpedMs: hourMs - 2 * minuteMs }))).toEqual([])
    expect(reasons(look(minuteMs, { jumpedMs: hourMs }))).toEqual(['expired'])
  })

  test('T20 where the answer is out of date as well, once in half a life, or when the clock is set again', () => {
    const at = { now: new Date(start.getTime() + minuteMs + hourMs), monotonicMs: minuteMs }
    const refusal: Refusal = {
      shows: shownBy(web),
      failures: 1,
      retryAtMs: minuteMs + hourMs / 2,
      clocksApartMs: clocksApart(at),
    }
    expect(reasons(look(20 * minuteMs, { jumpedMs: hourMs, refusal }))).toEqual([])
    expect(reasons(look(31 * minuteMs, { jumpedMs: hourMs, refusal }))).toEqual(['expired'])
    expect(reasons(look(30 * minuteMs, { jumpedMs: 0, refusal }))).toEqual(['half-life'])
  })
})

describe('a refusal', () => {
  const refusal: Refusal = {
    shows: shownBy(web),
    failures: 3,
    retryAtMs: 4000,
    clocksApartMs: undefined,
  }

  test('holds until its time has come', () => {
    expect(look(1000, { svid: undefined, refusal })).toEqual({ now: [], nextInMs: 3000 })
    expect(reasons(look(4000, { svid: undefined, refusal }))).toEqual(['missing'])
  })

  test('does not hold for an entry that asks for something else since', () => {
    const entry = { ...web, dnsNames: ['b.test'] }
    expect(reasons(look(1000, { svid: undefined, entry, refusal }))).toEqual(['missing'])
  })
})

import type { Bundle } from '../../src/bundle/bundle.ts'
import { isUntainted } from '../../src/bundle/key-ids.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { clocksApart, wasSet } from '../../src/runtime/clocks-apart.ts'
import type { HeldSvid, Moment } from '../cache/held-svid.ts'
import { shownBy } from '../cache/held-svid.ts'
import { type GoodFrom, isEnded, type Snapshot } from '../cache/snapshot.ts'

/** What became of the last request for an entry's SVID, where it gave none. */
export interface Refusal {
  /** What the entry wanted shown then; an entry that wants something else is asked for at once. */
  readonly shows: string
  readonly failures: number
  /** Ms of the monotonic clock. */
  readonly retryAtMs: number
  /**
   * Where the answer was out of date when it came: how far the wall clock was ahead of the monotonic
   * one. Once it has been set, the next answer may be another.
   */
  readonly clocksApartMs: number | undefined
}

export type DueReason = 'missing' | 'changed' | 'tainted' | 'revoked' | 'expired' | 'half-life'

export interface DueEntry {
  readonly entry: Entry
  readonly reason: DueReason
}

export interface Due {
  /** Most urgent first. */
  readonly now: readonly DueEntry[]
  /** When something becomes due or expires next, in ms from now; undefined: not by time. */
  readonly nextInMs: number | undefined
}

const urgency: Readonly<Record<DueReason, number>> = {
  missing: 0,
  changed: 0,
  tainted: 1,
  revoked: 1,
  expired: 1,
  'half-life': 2,
}

/**
 * Which of the wanted entries need an X.509-SVID now. Times count on the monotonic clock from the
 * moment an SVID came, so that a jump of the wall clock makes nothing due by itself; only an SVID
 * that the wall clock calls expired is asked for anew, once: where the answer is out of date as well,
 * it is held without regard to that clock, or refused, which bounds the next try.
 */
export function due(
  snapshot: Snapshot,
  at: Moment,
  wanted: readonly Entry[],
  refusals: ReadonlyMap<string, Refusal>,
  own: Bundle | undefined,
): Due {
  const now: DueEntry[] = []
  let nextMs = Infinity
  for (const entry of wanted) {
    const held = snapshot.svids.get(entry.id)
    const refusal = refusals.get(entry.id)
    const ended = held === undefined ? undefined : endOf(held, snapshot.goodFrom.get(entry.id))
    if (held !== undefined) nextMs = Math.min(nextMs, nextTimeOf(held, ended, at.monotonicMs))
    const reason = dueReason(entry, held, ended, at, own)
    if (reason === undefined) continue
    if (refusal !== undefined && holds(refusal, entry, at)) {
      nextMs = Math.min(nextMs, refusal.retryAtMs)
      continue
    }
    now.push({ entry, reason })
  }
  now.sort((a, b) => urgency[a.reason] - urgency[b.reason])
  return { now, nextInMs: nextMs === Infinity ? undefined : Math.max(0, nextMs - at.monotonicMs) }
}

function holds(refusal: Refusal, entry: Entry, at: Moment): boolean {
  const { shows, retryAtMs, clocksApartMs } = refusal
  if (clocksApartMs !== undefined && wasSet(clocksApartMs, clocksApart(at))) return false
  return retryAtMs > at.monotonicMs && shows === shownBy(entry)
}

/** What a revocation says of this SVID; undefined: nothing. */
function endOf(held: HeldSvid, goodFrom: GoodFrom | undefined): GoodFrom | undefined {
  return goodFrom !== undefined && isEnded(held.svid, goodFrom) ? goodFrom : undefined
}

function nextTimeOf(held: HeldSvid, ended: GoodFrom | undefined, nowMs: number): number {
  const renewAtMs = Math.min(held.renewAtMs, ended?.renewAtMs ?? Infinity)
  return renewAtMs > nowMs ? renewAtMs : held.expiresAtMs
}

function dueReason(
  entry: Entry,
  held: HeldSvid | undefined,
  ended: GoodFrom | undefined,
  at: Moment,
  own: Bundle | undefined,
): DueReason | undefined {
  if (held === undefined) return 'missing'
  if (held.shows !== shownBy(entry)) return 'changed'
  if (own !== undefined && !isUntainted(held.signedBy, own)) return 'tainted'
  if (ended !== undefined && ended.renewAtMs <= at.monotonicMs) return 'revoked'
  if (held.expiresAtMs <= at.monotonicMs) return 'expired'
  if (held.wallClockCounts && held.svid.expiresAt <= at.now) return 'expired'
  return held.renewAtMs <= at.monotonicMs ? 'half-life' : undefined
}

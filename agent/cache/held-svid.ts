import { signersOf } from '../../src/bundle/key-ids.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { goodForMs } from '../../src/svid/good-for.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'

/** An X.509-SVID with what decides when it is replaced. Times of the monotonic clock, in ms. */
export interface HeldSvid {
  readonly svid: X509Svid
  /** What the entry wanted the certificate to show when it was asked for; see `shownBy`. */
  readonly shows: string
  /** Authority key identifiers of the whole chain, lower-case hex. */
  readonly signedBy: readonly string[]
  /** Half of its life, ± 10 %, drawn once. */
  readonly renewAtMs: number
  readonly expiresAtMs: number
  /** False where it came out of date: the wall clock is wrong, here or there, and does not count. */
  readonly wallClockCounts: boolean
}

export interface Moment {
  readonly now: Date
  readonly monotonicMs: number
}

/** What of an entry its certificate shows: another of it asks for a new certificate. */
export function shownBy(entry: Entry): string {
  return JSON.stringify([entry.spiffeId, entry.x509SvidTtlSeconds, entry.dnsNames])
}

const clocksApartMs = 60_000

/**
 * An SVID that a server has signed just now. How long it is good for is then known without a wall
 * clock, which can only shorten it: one that is behind puts nothing off. Where it says something else by
 * much, it is left out, so that a clock that is wrong by almost a lifetime asks for no more SVIDs than
 * one that is right. `chance` is from 0 to 1. Throws
 * `invalid` where a certificate cannot be read.
 */
export function holdNewSvid(svid: X509Svid, shows: string, at: Moment, chance: number): HeldSvid {
  const leftMs = svid.expiresAt.getTime() - at.now.getTime()
  const lastsMs = goodForMs(svid)
  const apartMs = Math.abs(lastsMs - leftMs)
  const wallClockCounts = apartMs <= Math.max(clocksApartMs, lastsMs / 10)
  const signedBy = signersOf(svid.chain)
  const dueTimes = timesFrom(at, wallClockCounts ? Math.min(leftMs, lastsMs) : lastsMs, chance)
  return { svid, shows, signedBy, wallClockCounts, ...dueTimes }
}

/** As `holdNewSvid`, of one that was kept over a restart: only the wall clock tells what is left of it. */
export function holdKeptSvid(
  kept: Pick<HeldSvid, 'svid' | 'shows' | 'signedBy'>,
  at: Moment,
  chance: number,
): HeldSvid {
  const { notBefore, expiresAt } = kept.svid
  const lifeMs = expiresAt.getTime() - notBefore.getTime()
  const leftMs = Math.min(expiresAt.getTime() - at.now.getTime(), lifeMs)
  return { ...kept, wallClockCounts: true, ...timesFrom(at, leftMs, chance) }
}

function timesFrom(
  { monotonicMs }: Moment,
  leftMs: number,
  chance: number,
): Pick<HeldSvid, 'renewAtMs' | 'expiresAtMs'> {
  return { renewAtMs: monotonicMs + leftMs * halfLife(chance), expiresAtMs: monotonicMs + leftMs }
}

/** The part of a lifetime after which to renew: a half ± 10 % of it. */
export function halfLife(chance: number): number {
  return 0.45 + 0.1 * chance
}

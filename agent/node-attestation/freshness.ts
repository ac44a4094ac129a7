import type { Clock } from '../../src/runtime/clock.ts'
import { clocksApart, wasSet } from '../../src/runtime/clocks-apart.ts'
import { goodForMs } from '../../src/svid/good-for.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'

/** An SVID that was signed just now, and what the clocks said when it came. */
export interface FreshSvid {
  readonly svid: X509Svid
  /** What is left of its life, without a word from this machine's wall clock. */
  readonly goodForMs: number
  /** By how much the wall clock was ahead of the server's, about. */
  readonly aheadMs: number
  /** By how much it was ahead of the monotonic clock. */
  readonly apartMs: number
}

export function freshSvid(svid: X509Svid, clock: Clock): FreshSvid {
  const nowMs = clock.now().getTime()
  const lastsMs = goodForMs(svid)
  return {
    svid,
    goodForMs: lastsMs,
    aheadMs: nowMs - (svid.expiresAt.getTime() - lastsMs),
    apartMs: apartNow(clock),
  }
}

/**
 * Whether an SVID has not expired. As long as the wall clock was not set since it came, it is read as
 * the server's would be, so that one that is wrong makes no fresh SVID look old.
 */
export function isAlive(svid: X509Svid, fresh: FreshSvid | undefined, clock: Clock): boolean {
  const nowMs = clock.now().getTime()
  const endMs = svid.expiresAt.getTime()
  if (endMs > nowMs) return true
  if (fresh?.svid !== svid) return false
  return !wasSet(fresh.apartMs, apartNow(clock)) && endMs > nowMs - fresh.aheadMs
}

function apartNow(clock: Clock): number {
  return clocksApart({ now: clock.now(), monotonicMs: clock.monotonicMs() })
}

import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'

/**
 * Keeps a clock that was set back from making SVIDs that live longer than they should, and from
 * signing with an authority whose end it no longer sees (T20).
 */
export interface ClockGuard {
  /**
   * The time to sign by: the wall clock, or the latest time seen where the clock is behind it by no
   * more than `toleranceMs`. Throws `unavailable` `clock-went-back` where it is behind by more.
   */
  now(): Date
  /** Why nothing can be signed at the moment. */
  ready(): CountersignError | undefined
  /** The latest time seen, now included: for what only says who this server is, and for what is kept of it. */
  latest(): Date
  /** Takes the wall clock as right, whatever was seen before. Answers what it replaces and the new time. */
  accept(): { readonly before: Date; readonly after: Date }
}

const toleranceMs = 5 * 60_000

/** `latest` is what the last run of the server left behind. */
export function createClockGuard(clock: Clock, latest: Date | undefined): ClockGuard {
  let latestMs = latest?.getTime() ?? 0
  const check = (): CountersignError | undefined => {
    const nowMs = clock.now().getTime()
    if (nowMs >= latestMs) latestMs = nowMs
    return latestMs - nowMs > toleranceMs ? wentBack(nowMs, latestMs) : undefined
  }
  return {
    now() {
      const fault = check()
      if (fault !== undefined) throw fault
      return new Date(latestMs)
    },
    ready: check,
    latest() {
      check()
      return new Date(latestMs)
    },
    accept() {
      const before = new Date(latestMs)
      latestMs = clock.now().getTime()
      return { before, after: new Date(latestMs) }
    },
  }
}

function wentBack(nowMs: number, latestMs: number): CountersignError {
  const behind = Math.round((latestMs - nowMs) / 1000)
  return new CountersignError(
    'unavailable',
    `the clock is ${behind} s behind the latest time that this server has seen`,
    {
      reason: 'clock-went-back',
      fix: 'set the clock right; or, if it is right now: countersign server clock accept',
      retryAfterMs: 10_000,
    },
  )
}

import type { Clock } from './clock.ts'
import { clocksApart } from './clocks-apart.ts'

/** What the wall clock has said for so long is taken for right. */
const settledMs = 3_600_000

/**
 * What time it is at least: by the wall clock, but where that is set forward, for an hour no later than by the monotonic
 * one. Whoever forgets by it what is over forgets nothing because the wall clock was ahead for a while.
 */
export function timeAtLeast(clock: Pick<Clock, 'now' | 'monotonicMs'>): () => Date {
  const look = () => ({ now: clock.now(), monotonicMs: clock.monotonicMs() })
  let apartMs = clocksApart(look())
  let aheadSinceMs = clock.monotonicMs()
  return () => {
    const at = look()
    const nowApartMs = clocksApart(at)
    const isAhead = nowApartMs > apartMs
    if (!isAhead || at.monotonicMs - aheadSinceMs >= settledMs) apartMs = nowApartMs
    if (!isAhead) aheadSinceMs = at.monotonicMs
    return new Date(at.monotonicMs + apartMs)
  }
}

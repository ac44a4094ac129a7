/** Clocks drift; what is set moves further. */
const setByMs = 30_000

/** By how much the wall clock is ahead of the monotonic one, in ms; another number once it has been set. */
export function clocksApart(at: { readonly now: Date; readonly monotonicMs: number }): number {
  return at.now.getTime() - at.monotonicMs
}

/** Whether the wall clock was set between two moments at which they were so far apart. */
export function wasSet(beforeMs: number, nowMs: number): boolean {
  return Math.abs(nowMs - beforeMs) > setByMs
}

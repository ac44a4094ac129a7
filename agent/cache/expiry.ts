import type { Entry } from '../../src/entry/entry.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { HeldSvid } from './held-svid.ts'
import type { Group } from './readers.ts'

export function hasExpired(entry: Entry, now: Date): boolean {
  return entry.expiresAt !== undefined && entry.expiresAt <= now
}

/** When the next of these SVIDs, or of the entries of these groups, expires, in ms from now; Infinity: none. */
export function nextExpiryInMs(
  svids: Iterable<HeldSvid>,
  groups: Iterable<Group>,
  clock: Clock,
): number {
  const nowMs = clock.monotonicMs()
  const wallMs = clock.now().getTime()
  let nextMs = Infinity
  for (const { expiresAtMs } of svids) nextMs = Math.min(nextMs, expiresAtMs - nowMs)
  for (const { entries } of groups) {
    for (const { expiresAt } of entries) {
      if (expiresAt !== undefined) nextMs = Math.min(nextMs, expiresAt.getTime() - wallMs)
    }
  }
  return Math.max(0, nextMs)
}

import type { Clock } from '../../src/runtime/clock.ts'
import type { Cache } from '../cache/cache.ts'
import { Wake } from '../cache/wake.ts'

/** Entries end by the wall clock: one that was set is noticed within this time. */
const lookAtLeastEveryMs = 5000

/** Takes entries and SVIDs away from workloads when they expire, whatever a server does meanwhile. */
export async function withdrawExpired(
  { cache, clock }: { readonly cache: Cache; readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const wake = new Wake(clock)
  const ignore = cache.listen(() => wake.set())
  try {
    while (!signal.aborted) {
      cache.settle()
      await wake.wait(Math.min(cache.nextExpiryInMs(), lookAtLeastEveryMs), signal)
    }
  } finally {
    ignore()
  }
}

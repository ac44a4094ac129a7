import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'

const intervalMs = 5 * 60_000

/** Which of the entries have expired by now: what is valid until an instant is not valid at it. */
export function expiredBy(entries: Iterable<Entry>, now: Date): string[] {
  const expired: string[] = []
  for (const { id, expiresAt } of entries) {
    if (expiresAt !== undefined && expiresAt.getTime() <= now.getTime()) expired.push(id)
  }
  return expired
}

/**
 * Deletes expired entries at once and then every 5 minutes, until the signal aborts. Nobody gets an
 * SVID by them in between; this is what takes them off the agents and out of the lists. A failure is
 * logged and tried again at the next turn.
 */
export async function runExpiry(
  registry: { pruneExpired(signal: AbortSignal): Promise<number> },
  deps: { readonly clock: Clock; readonly log: Log },
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      const count = await registry.pruneExpired(signal)
      if (count > 0) deps.log.info('expired entries deleted', { count })
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof CountersignError)) throw error
      deps.log.warn('expired entries could not be deleted', { error })
    }
    await deps.clock.sleep(intervalMs, signal)
  }
}

import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { timeAtLeast } from '../../src/runtime/time-at-least.ts'
import { pruneFacts } from '../store/revocation-facts.ts'
import type { Store } from '../store/store.ts'

const intervalMs = 600_000
/** For readers of the feed that come back after a restart: the chain is whole for them. */
const keepMs = 3_600_000

/** Forgets, every ten minutes until the signal aborts, facts that have ended. A failure is logged and tried again. */
export async function runPrune(
  deps: { readonly store: Pick<Store, 'write'>; readonly clock: Clock; readonly log: Log },
  signal: AbortSignal,
): Promise<void> {
  const { store, clock, log } = deps
  const time = timeAtLeast(clock)
  for (;;) {
    await clock.sleep(intervalMs, signal)
    const before = new Date(time().getTime() - keepMs)
    await store
      .write((tx) => pruneFacts(tx, before))
      .catch((error: unknown) => log.warn('ended revocations could not be forgotten', { error }))
  }
}

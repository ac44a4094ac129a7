import { isUntainted, signersOf } from '../src/bundle/key-ids.ts'
import { CountersignError } from '../src/errors.ts'
import { type Clock, sleepUnlessWoken } from '../src/runtime/clock.ts'
import type { X509Svid } from '../src/svid/x509-svid.ts'
import type { Bundles } from './bundle/bundles.ts'
import type { Ca } from './ca/ca.ts'

/** No two attempts are nearer to each other, but where the bundle changes. */
const pauseMs = 1000
/** Within this it is noticed that somebody has set the wall clock. */
const lookEveryMs = 10_000

/** The server's own SVID. */
export interface ServerIdentity {
  current(): X509Svid
  /** Looks at once whether it is to be replaced: the bundle has changed. */
  look(): void
  /** Keeps it fresh until the signal aborts; `changed` is called after each replacement. */
  run(changed: () => void, signal: AbortSignal): Promise<void>
}

/**
 * Replaces the SVID at half of the life that it had when it was issued, by either clock, and at once where its
 * authority is tainted or gone, so that no agent is shown what it is about to distrust, and where an operator has
 * accepted a clock by which it is not valid yet. Tries again each second while that fails.
 */
export async function followIdentity(
  ca: Pick<Ca, 'issueServerIdentity' | 'latestTime'>,
  bundles: Pick<Bundles, 'own'>,
  clock: Clock,
): Promise<ServerIdentity> {
  // The time that is signed by: a wall clock that is a little behind it makes nothing due.
  const nowMs = (): number => Math.max(clock.now().getTime(), ca.latestTime().getTime())
  const issue = async () => {
    const svid = await ca.issueServerIdentity()
    // Not from `notBefore`, which lies in the past: of a short life that would be more than half.
    const halfLifeMs = (svid.expiresAt.getTime() - nowMs()) / 2
    const dueMs = { wall: nowMs() + halfLifeMs, monotonic: clock.monotonicMs() + halfLifeMs }
    return { svid, dueMs }
  }
  let own = await issue()
  let wake = new AbortController()
  const waitMs = (): number => {
    const { svid, dueMs } = own
    if (!isUntainted(signersOf(svid.chain.slice(0, 1)), bundles.own())) return 0
    if (nowMs() < svid.notBefore.getTime()) return 0
    return Math.min(dueMs.wall - nowMs(), dueMs.monotonic - clock.monotonicMs())
  }
  return {
    current: () => own.svid,
    look: () => wake.abort(),
    async run(changed, signal) {
      let leastMs = 0
      for (;;) {
        wake = new AbortController()
        const pause = Math.max(Math.min(waitMs(), lookEveryMs), leastMs)
        await sleepUnlessWoken(clock, pause, wake.signal, signal)
        leastMs = 0
        if (waitMs() > 0) continue
        leastMs = pauseMs
        try {
          own = await issue()
          changed()
        } catch (error) {
          if (!(error instanceof CountersignError)) throw error
        }
      }
    },
  }
}

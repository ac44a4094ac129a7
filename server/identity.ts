import { isUntainted, signersOf } from '../src/bundle/key-ids.ts'
import { CountersignError } from '../src/errors.ts'
import { type Clock, sleepUnlessWoken } from '../src/runtime/clock.ts'
import type { X509Svid } from '../src/svid/x509-svid.ts'
import type { Bundles } from './bundle/bundles.ts'
import type { Ca } from './ca/ca.ts'

/** No two attempts are nearer to each other, but where the bundle changes. */
const pauseMs = 1000

/** The server's own SVID. */
export interface ServerIdentity {
  current(): X509Svid
  /** Looks at once whether it is to be replaced: the bundle has changed. */
  look(): void
  /** Keeps it fresh until the signal aborts; `changed` is called after each replacement. */
  run(changed: () => void, signal: AbortSignal): Promise<void>
}

/**
 * Replaces the SVID at half of the life that it had when it was issued, and at once where its authority
 * is tainted or gone, so that no agent is shown what it is about to distrust. Tries again each second
 * while that fails.
 */
export async function followIdentity(
  ca: Pick<Ca, 'issueServerIdentity'>,
  bundles: Pick<Bundles, 'own'>,
  clock: Clock,
): Promise<ServerIdentity> {
  let svid = await ca.issueServerIdentity()
  let issuedAt = clock.now()
  let wake = new AbortController()
  // Not from `notBefore`, which lies in the past: of a short life that would be more than half.
  const waitMs = (): number => {
    if (!isUntainted(signersOf(svid.chain.slice(0, 1)), bundles.own())) return 0
    const halfLifeMs = (svid.expiresAt.getTime() - issuedAt.getTime()) / 2
    return issuedAt.getTime() + halfLifeMs - clock.now().getTime()
  }
  return {
    current: () => svid,
    look: () => wake.abort(),
    async run(changed, signal) {
      let leastMs = 0
      for (;;) {
        wake = new AbortController()
        await sleepUnlessWoken(clock, Math.max(waitMs(), leastMs), wake.signal, signal)
        leastMs = 0
        if (waitMs() > 0) continue
        leastMs = pauseMs
        try {
          svid = await ca.issueServerIdentity()
          issuedAt = clock.now()
          changed()
        } catch (error) {
          if (!(error instanceof CountersignError)) throw error
        }
      }
    },
  }
}

import { isUntainted, signersOf } from '../src/bundle/key-ids.ts'
import { CountersignError } from '../src/errors.ts'
import type { Clock } from '../src/runtime/clock.ts'
import type { X509Svid } from '../src/svid/x509-svid.ts'
import type { Bundles } from './bundle/bundles.ts'
import type { Ca } from './ca/ca.ts'

const retryMs = 1000

/** The server's own SVID. */
export interface ServerIdentity {
  current(): X509Svid
  /** Looks at once whether it is to be replaced: the bundle has changed. */
  look(): void
  /** Keeps it fresh until the signal aborts; `changed` is called after each replacement. */
  run(changed: () => void, signal: AbortSignal): Promise<void>
}

/**
 * Replaces the SVID at half its life, and at once where its authority is tainted or gone, so that no
 * agent is shown what it is about to distrust. Tries again each second while that fails.
 */
export async function followIdentity(
  ca: Pick<Ca, 'issueServerIdentity'>,
  bundles: Pick<Bundles, 'own'>,
  clock: Clock,
): Promise<ServerIdentity> {
  let svid = await ca.issueServerIdentity()
  let wake = new AbortController()
  const waitMs = (): number => {
    if (!isUntainted(signersOf(svid.chain.slice(0, 1)), bundles.own())) return 0
    const halfLifeMs = (svid.expiresAt.getTime() - svid.notBefore.getTime()) / 2
    return svid.notBefore.getTime() + halfLifeMs - clock.now().getTime()
  }
  return {
    current: () => svid,
    look: () => wake.abort(),
    async run(changed, signal) {
      let leastMs = 0
      for (;;) {
        wake = new AbortController()
        const leftMs = Math.max(waitMs(), leastMs)
        if (leftMs > 0) await sleepUnlessWoken(clock, leftMs, wake.signal, signal)
        leastMs = 0
        if (waitMs() > 0) continue
        try {
          svid = await ca.issueServerIdentity()
          changed()
        } catch (error) {
          if (!(error instanceof CountersignError)) throw error
          leastMs = retryMs
        }
      }
    },
  }
}

async function sleepUnlessWoken(
  clock: Clock,
  ms: number,
  woken: AbortSignal,
  signal: AbortSignal,
): Promise<void> {
  try {
    await clock.sleep(ms, AbortSignal.any([woken, signal]))
  } catch (error) {
    signal.throwIfAborted()
    if (!woken.aborted) throw error
  }
}

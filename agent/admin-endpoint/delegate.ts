import { CountersignError } from '../../src/errors.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Updates, WorkloadUpdate } from '../cache/updates.ts'
import { type Attestation, askingUntil } from '../workload-attestation/attestation.ts'
import type { Caller } from '../workload-attestation/caller.ts'

export interface DelegateDeps {
  readonly updates: Updates
  readonly attestation: Attestation
  /** The IDs that may ask for others' identities; none: nobody may. */
  readonly delegates: ReadonlySet<SpiffeId>
  /** Why nothing can be served yet; undefined when it can. */
  readonly unavailable: () => CountersignError | undefined
}

/** A caller that holds the ID of a delegate, as an attested workload of this node. */
export interface Delegate {
  readonly id: SpiffeId
  /** Throws where it is another process now, or holds no such ID any more. To be called before each answer. */
  confirm(): void
  /** Calls back once it holds no such ID any more, whatever it asked for; what comes back ends that. */
  watch(lost: (error: CountersignError) => void): () => void
}

/**
 * Attests the caller like any workload. Throws what attestation throws, `unavailable` where nothing is
 * known of this node's entries, and `forbidden` / `delegate-unknown`.
 */
export async function authoriseDelegate(
  { updates, attestation, delegates, unavailable }: DelegateDeps,
  caller: Caller,
  signal: AbortSignal,
): Promise<Delegate> {
  const idIn = (update: WorkloadUpdate): SpiffeId | undefined =>
    update.entries.find(({ spiffeId }) => delegates.has(spiffeId))?.spiffeId
  const holdNow = (): SpiffeId => {
    const reason = unavailable()
    if (reason !== undefined) throw reason
    const update = updates.current(selectors)
    if (update === undefined) throw notSynced()
    const id = idIn(update)
    if (id === undefined) throw notDelegate()
    return id
  }
  // Without a delegate nobody's processes are looked at.
  if (delegates.size === 0) throw notDelegate()
  const attested = await attestation.attest(caller, askingUntil(signal))
  const { selectors } = attested
  return {
    id: holdNow(),
    confirm() {
      attested.confirm()
      holdNow()
    },
    watch: (lost) =>
      updates.watch(selectors, 'bundles', (update) => {
        if (idIn(update) === undefined) lost(unavailable() ?? notDelegate())
      }),
  }
}

/** The text is what clients of SPIRE know. */
function notDelegate(): CountersignError {
  return new CountersignError('forbidden', 'caller not configured as an authorized delegate', {
    reason: 'delegate-unknown',
    fix: 'register an entry for the caller, and name its SPIFFE ID in authorized_delegates',
  })
}

function notSynced(): CountersignError {
  return new CountersignError('unavailable', 'nothing has come from the server yet', {
    reason: 'not-synced',
    retryAfterMs: 1000,
  })
}

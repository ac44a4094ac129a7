import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Entry, Selector } from '../../src/entry/entry.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'

/** An entry and the X.509-SVID that it got. */
export interface Identity {
  readonly entry: Entry
  readonly svid: X509Svid
}

/** All that a workload may have at one moment. One object for all workloads with the same selectors. */
export interface WorkloadUpdate {
  /** The default one first (oldest entry, then by entry id); of entries with one hint only the first. */
  readonly identities: readonly Identity[]
  /** All entries that match, also those whose X.509-SVID is not there yet, in the same order. */
  readonly entries: readonly Entry[]
  /** The bundle of the agent's own trust domain. */
  readonly bundle: Bundle
  /** The bundles of the foreign trust domains that the entries federate with. */
  readonly federated: ReadonlyMap<TrustDomain, Bundle>
}

/** What a stream is for: one that serves bundles alone never waits for an SVID, nor asks for one. */
export type Need = 'svids' | 'bundles'

/** What a workload's streams are served from. */
export interface Updates {
  /**
   * Delivers the first update at once, or as soon as all its SVIDs are there; then the newest after
   * each change that concerns these selectors. Empty lists when nothing matches (any more). Where
   * SVIDs stay away the first update comes without them after a while: entries, but no identities.
   * What comes back ends that. `deliver` must not throw; it may be called before this returns.
   */
  watch(
    selectors: readonly Selector[],
    need: Need,
    deliver: (update: WorkloadUpdate) => void,
  ): () => void
  /** What there is now; undefined before the first bundle of the own trust domain is there. */
  current(selectors: readonly Selector[]): WorkloadUpdate | undefined
}

import type { Bundle, BundleLookup } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { ChangeBatch } from '../changes/changes.ts'

/** All bundles that this server knows, as of the last change that it read. */
export interface OwnAndFederatedBundles extends BundleLookup {
  /** The trust domain's own. Throws `unavailable` `bundle-missing` before the first authorities are made. */
  own(): Bundle
  /** Those of other trust domains, by name in order. */
  federated(): readonly Bundle[]
}

export interface Bundles extends OwnAndFederatedBundles {
  /** Takes over what changed. To be called before whoever answers with bundles hears of the batch. */
  apply(batch: Pick<ChangeBatch, 'bundles'>): void
}

export function createBundles(trustDomain: TrustDomain): Bundles {
  let known: ReadonlyMap<TrustDomain, Bundle> = new Map()
  return {
    apply({ bundles }) {
      if (bundles.size === 0) return
      const next = new Map(known)
      for (const [name, bundle] of bundles) {
        if (bundle === undefined) next.delete(name)
        else next.set(name, bundle)
      }
      known = next
    },
    bundleOf: (name) => known.get(name),
    own() {
      const bundle = known.get(trustDomain)
      if (bundle !== undefined) return bundle
      throw new CountersignError('unavailable', 'the trust domain has no bundle yet', {
        reason: 'bundle-missing',
        retryAfterMs: 1000,
      })
    },
    federated() {
      return [...known.values()]
        .filter((bundle) => bundle.trustDomain !== trustDomain)
        .sort((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1))
    },
  }
}

import type { BundleLookup } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Followed } from './poll-schedule.ts'
import { type FederationSettings, type StalenessSettings, stalenessUnlessTold } from './settings.ts'

/** How long the bundle of this trust domain counts for unconfirmed, and what becomes of it then. */
export function stalenessOf(
  { trustDomains }: Pick<FederationSettings, 'trustDomains'>,
  name: TrustDomain,
): StalenessSettings {
  return trustDomains.get(name) ?? stalenessUnlessTold
}

/** A relationship, and how old what is known by it has become. */
export interface JudgedBundle extends Followed {
  /** undefined: when its bundle was confirmed is not known, and it is stale from the first. */
  readonly staleAt: Date | undefined
  readonly isStale: boolean
  readonly onStale: StalenessSettings['onStale']
}

export function judged(
  followed: Followed,
  settings: Pick<FederationSettings, 'trustDomains'>,
  now: Date,
): JudgedBundle {
  const { maxSeconds, onStale } = stalenessOf(settings, followed.relationship.trustDomain)
  const maxMs = maxSeconds * 1000
  const aheadMs = (followed.confirmedAt ?? now).getTime() - now.getTime()
  // By a clock that was so far ahead, it would count for as much longer.
  const confirmedAt = aheadMs > maxMs ? undefined : followed.confirmedAt
  const staleAt = confirmedAt && new Date(confirmedAt.getTime() + maxMs)
  const isStale = staleAt === undefined || staleAt <= now
  return { ...followed, confirmedAt, staleAt, isStale, onStale }
}

/**
 * The same bundles, but for those that are too stale to say who somebody is. `bundleOf` throws `unauthenticated`
 * `bundle-stale` for these.
 */
export function freshBundles(
  bundles: BundleLookup,
  refuses: (name: TrustDomain) => boolean,
): BundleLookup {
  return {
    bundleOf(name) {
      if (!refuses(name)) return bundles.bundleOf(name)
      throw new CountersignError('unauthenticated', 'the bundle of the trust domain is stale', {
        reason: 'bundle-stale',
      })
    },
  }
}

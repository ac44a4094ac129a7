import { SpiffeId, type TrustDomain } from './spiffe-id.ts'

/**
 * Whether an ID is meant: what decides who is let in. Any function of an ID is one; none is let in by
 * default. It sees IDs that have been proved, and must not throw. Anything but `true`, a promise say, is a no.
 */
export type SpiffeIdMatcher = (spiffeId: SpiffeId) => boolean

/** This ID and no other. */
export function matchId(spiffeId: SpiffeId): SpiffeIdMatcher {
  return (given) => given === spiffeId
}

/** One of these IDs; of none, nobody. */
export function matchOneOf(...ids: readonly SpiffeId[]): SpiffeIdMatcher {
  const known: ReadonlySet<SpiffeId> = new Set(ids)
  return (given) => known.has(given)
}

/** Every ID of this trust domain. */
export function matchTrustDomain(trustDomain: TrustDomain): SpiffeIdMatcher {
  return (given) => SpiffeId.trustDomainOf(given) === trustDomain
}

/** The IDs of this trust domain whose path, `''` or `/a/b`, is one that `accept` takes. */
export function matchPath(
  trustDomain: TrustDomain,
  accept: (path: string) => boolean,
): SpiffeIdMatcher {
  const member = matchTrustDomain(trustDomain)
  return (given) => member(given) && accept(SpiffeId.pathOf(given)) === true
}

/** Whatever one of these takes; of none, nobody. */
export function matchAny(...matchers: readonly SpiffeIdMatcher[]): SpiffeIdMatcher {
  return (given) => matchers.some((matches) => matches(given) === true)
}

import { SpiffeId, type TrustDomain } from '../spiffe-id/spiffe-id.ts'

/** Whether a peer that has proved to be this ID is let in. There is none by default. */
export type Authorizer = (spiffeId: SpiffeId) => boolean

/** One of these IDs. */
export function anyOf(...ids: readonly SpiffeId[]): Authorizer {
  const known: ReadonlySet<SpiffeId> = new Set(ids)
  return (spiffeId) => known.has(spiffeId)
}

/** Every ID of this trust domain. */
export function memberOf(trustDomain: TrustDomain): Authorizer {
  return (spiffeId) => SpiffeId.trustDomainOf(spiffeId) === trustDomain
}

import type { BundleLookup } from '../bundle/bundle.ts'
import { CountersignError } from '../errors.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import type { SpiffeIdMatcher } from '../spiffe-id/matchers.ts'
import { audienceGiven, type JwtSvid, verifyJwtSvid } from '../svid/jwt-svid.ts'
import { bearerOf } from './bearer.ts'

/** Whose tokens, and for whom, `requireJwtSvid` lets in. */
export interface RequireJwtSvidOptions {
  /** Who this service is: one of these must be among the token's, exactly. */
  readonly audience: string | readonly string[]
  /** Finds the keys of the caller's own trust domain: a `JwtSource` or a `BundleSource`. */
  readonly bundles: BundleLookup
  /** Who is let in. There is no default. */
  readonly authorize: SpiffeIdMatcher
  readonly clock?: Clock
}

/** Who sent a request: what its JWT-SVID says, verified, but not the token itself. */
export type JwtPeer = Omit<JwtSvid, 'token'>

/** All values of the `authorization` headers of a request → who sent it. */
export type JwtCheck = (authorizations: readonly string[]) => Promise<JwtPeer>

/**
 * Throws `invalid`, `audience-missing`, where the options name no audience. What it makes rejects with
 * `unauthenticated`: `token-missing`, or as `verifyJwtSvid` does; `invalid`: `token-repeated` (RFC 6750
 * §3.1); `forbidden`: `peer-unauthorized`.
 */
export function jwtCheck(options: RequireJwtSvidOptions): JwtCheck {
  const { bundles, authorize, clock = systemClock } = options
  const audience = audienceGiven(options.audience)
  return async (authorizations) => {
    const found = bearerOf(authorizations, 'a JWT-SVID')
    const { token, ...peer } = await verifyJwtSvid(found, { audience, bundles, now: clock.now() })
    // Anything but `true`, a promise say, is no permission.
    if (authorize(peer.spiffeId) === true) return peer
    throw new CountersignError('forbidden', `${peer.spiffeId} is not let in here`, {
      reason: 'peer-unauthorized',
    })
  }
}

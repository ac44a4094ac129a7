import type { BundleLookup } from '../bundle/bundle.ts'
import { CountersignError } from '../errors.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import type { SpiffeIdMatcher } from '../spiffe-id/matchers.ts'
import { audienceGiven, type JwtSvid, verifyJwtSvid } from '../svid/jwt-svid.ts'

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
    const found = tokenOf(authorizations)
    const { token, ...peer } = await verifyJwtSvid(found, { audience, bundles, now: clock.now() })
    // Anything but `true`, a promise say, is no permission.
    if (authorize(peer.spiffeId) === true) return peer
    throw new CountersignError('forbidden', `${peer.spiffeId} is not let in here`, {
      reason: 'peer-unauthorized',
    })
  }
}

/** RFC 6750 §2.1: `Bearer` in any case, blanks, and a token, in which there is no comma. */
function tokenOf(authorizations: readonly string[]): string {
  const [value = ''] = authorizations
  const end = value.indexOf(' ')
  const scheme = end < 0 ? value : value.slice(0, end)
  if (scheme.toLowerCase() !== 'bearer') {
    throw new CountersignError('unauthenticated', 'the request brings no JWT-SVID', {
      reason: 'token-missing',
      fix: 'send `authorization: Bearer` and a JWT-SVID for the audience of this service',
    })
  }
  // Where headers of one name come joined, there is a comma between them.
  if (authorizations.length > 1 || value.includes(',')) {
    throw new CountersignError('invalid', 'the request brings more than one token', {
      reason: 'token-repeated',
    })
  }
  return value.slice(scheme.length).trim()
}

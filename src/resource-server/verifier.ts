import { hash } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import type { TokenClaims } from '../jwt/compact.ts'
import { isCanary, looksLikeCanary } from '../revocation/canary.ts'
import { backgroundClock, type Clock } from '../runtime/clock.ts'
import { eachMinute } from '../runtime/each-minute.ts'
import { type Access, isName, readAccess } from './access-token.ts'
import { type JwksLocation, keysAt, whyOf } from './jwks.ts'
import { openRequests } from './open-requests.ts'
import { keepToken } from './shown-token.ts'
import { signedTokens } from './signed-tokens.ts'
import { type StandingOptions, standingCheck, type WhenUnknown } from './standing-check.ts'

/** Whose tokens are taken, and for whom. */
export interface VerifierOptions extends StandingOptions {
  /** The authorization server, exactly as its tokens say it in `iss`. */
  readonly issuer: string
  /** Who this service is: the one audience of its tokens, exactly. */
  readonly audience: string
  /** `ISSUER/oauth/jwks` unless told; a function where Node would not believe the server’s certificate. */
  readonly jwks?: JwksLocation
  /** Seconds by which the clocks may differ; 5 unless told, 60 at most. */
  readonly clockSkew?: number
  /** Takes no token that is not bound to the caller's certificate. One that is bound is always checked. */
  readonly requireBound?: boolean
  /**
   * Told of each time that the issuer's keys could not be fetched: `cause.message` says why, which no caller is told. In its
   * place the process warns, of the same reason once a minute.
   */
  readonly onTrouble?: (error: CountersignError) => void
  readonly clock?: Clock
}

/** What a token is shown with. */
export interface ShownWith {
  /** The certificate, DER, that the caller of this connection has proved in TLS to have the key of. */
  readonly certificate?: Uint8Array | undefined
  /** `deny` unless told. */
  readonly whenUnknown?: WhenUnknown | undefined
}

/** Verifies access tokens by the issuer's keys, without asking it about each. */
export interface Verifier {
  /**
   * Rejects with `unauthenticated`: `token-too-large`, `token-malformed`, `token-type`, `token-algorithm`,
   * `token-header`, `token-key`, `token-signature`, `token-issuer`, `token-audience`, `token-expiry`, `token-expired`,
   * `token-not-yet-valid`, `token-claims`, `token-binding`, `token-canary`, `token-revoked`; `unavailable`: `jwks-unavailable`,
   * `revocation-unknown`.
   */
  verify(token: string, shown?: ShownWith): Promise<Access>
}

/**
 * A verifier of one issuer's access tokens for one service (RFC 9068 §4). Without `revocations` and `introspect` it does
 * not learn that a token was revoked: one is good until it ends. Throws `invalid`: `verifier-options`, `jwks-url`.
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const { issuer, audience, clockSkew = 5, requireBound = false, clock = backgroundClock } = options
  // Without types something may be missing altogether: what a token does not say either would be the same.
  if (!isName(issuer) || !isName(audience) || !(clockSkew >= 0 && clockSkew <= 60)) {
    throw new CountersignError('invalid', 'issuer or audience is missing, or clockSkew unsound', {
      reason: 'verifier-options',
      fix: 'name both, and a clockSkew of 0 to 60 seconds',
    })
  }
  if (issuer.endsWith('/') && options.jwks === undefined) {
    throw new CountersignError('invalid', 'the issuer ends with a slash', {
      reason: 'verifier-options',
      fix: 'write it as in `iss` of its tokens; for one that has the slash there, say `jwks`',
    })
  }
  const warn = eachMinute(clock, whyOf, (error) =>
    process.emitWarning(`the keys of ${issuer} cannot be fetched: ${whyOf(error)}`),
  )
  const onTrouble = options.onTrouble ?? warn
  const signed = signedTokens(keysAt(options.jwks ?? `${issuer}/oauth/jwks`, clock, onTrouble))
  const checkStanding = standingCheck(options, clock)
  const requests = openRequests(options, checkStanding, clock)
  const read = async (
    token: string,
    { certificate, whenUnknown = 'deny' }: ShownWith,
    isFit: (claims: TokenClaims) => boolean,
  ): Promise<Access> => {
    const found = await signed(token)
    const expected = {
      issuer,
      audience,
      clockSkewSeconds: clockSkew,
      thumbprint: certificate && hash('sha256', certificate, 'base64url'),
      requireBound,
    }
    const access = readAccess(found.claims, { ...expected, now: clock.now() })
    if (!isFit(found.claims)) {
      throw new CountersignError('unauthenticated', 'the token opens nothing', {
        reason: 'token-canary',
      })
    }
    await checkStanding(token, found, whenUnknown)
    const endsAtMs = access.expiresAt.getTime() + clockSkew * 1000
    return keepToken(access, { token, signed: found, whenUnknown, endsAtMs, requests })
  }
  const verifier: Verifier = {
    verify: (token, shown = {}) => read(token, shown, (claims) => !looksLikeCanary(claims)),
  }
  canaryReaders.set(verifier, (token, shown = {}) => read(token, shown, isCanary))
  return verifier
}

// No way of the public face leads to a canary that is let in.
const canaryReaders = new WeakMap<Verifier, Verifier['verify']>()

/** What verifies as `verifier` does, but canaries alone. Throws `invalid`, `verifier-unknown`. */
export function canaryReaderOf(verifier: Verifier): Verifier['verify'] {
  const reader = canaryReaders.get(verifier)
  if (reader !== undefined) return reader
  throw new CountersignError('invalid', 'this verifier is not one of createVerifier', {
    reason: 'verifier-unknown',
    fix: 'give what createVerifier has made, the same that is in front of the routes',
  })
}

import { hash } from 'node:crypto'
import type { AuditEvent } from '../../src/audit/event.ts'
import { CountersignError } from '../../src/errors.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { JwtKey } from './authorities.ts'
import { secondsBetween } from './issue-x509.ts'

export interface AccessTokenRequest {
  readonly spiffeId: SpiffeId
  readonly audience: string
  readonly jti: string
  readonly ttlSeconds: number
  /** The end of the SVID that it is issued for: no token outlives it. */
  readonly notAfter: Date
  /** All others than `sub`, `aud`, `jti`, `iat` and `exp`. */
  readonly claims: Readonly<Record<string, unknown>>
  /** What is on record beside the token itself. */
  readonly audit: Omit<AuditEvent, 'kind' | 'time' | 'decision'>
}

export interface IssuedAccessToken {
  /** A credential: never to be logged. */
  readonly token: string
  /** Of the key that has signed it. */
  readonly keyId: string
  readonly issuedAt: Date
  readonly expiresAt: Date
}

/** What a token says before it is signed. */
export interface AccessTokenClaims extends Readonly<Record<string, unknown>> {
  readonly iat: number
  readonly exp: number
}

/**
 * What an access token says (RFC 9068 §2), which ends no later than its key and the SVID behind it. Throws
 * `unavailable` `jwt-key-ending`, and `unauthenticated` `svid-ending` where the SVID has less than a second left.
 */
export function accessTokenClaims(
  request: AccessTokenRequest,
  key: Pick<JwtKey, 'notAfter'>,
  now: Date,
): AccessTokenClaims {
  const { spiffeId, audience, jti, ttlSeconds, notAfter, claims } = request
  const iat = secondsOf(now)
  if (secondsOf(notAfter) <= iat) {
    throw new CountersignError('unauthenticated', 'the SVID is about to end', {
      reason: 'svid-ending',
    })
  }
  const exp = Math.min(iat + ttlSeconds, secondsOf(notAfter), secondsOf(key.notAfter))
  if (exp <= iat) {
    throw new CountersignError('unavailable', 'the key for access tokens is about to end', {
      reason: 'jwt-key-ending',
      retryAfterMs: 1000,
    })
  }
  return { ...claims, sub: spiffeId, aud: audience, jti, iat, exp }
}

export function accessTokenEvent(
  request: AccessTokenRequest,
  issued: IssuedAccessToken,
  now: Date,
): AuditEvent {
  return {
    ...request.audit,
    kind: request.audit.parentJti === undefined ? 'token.issued' : 'token.exchanged',
    time: now,
    spiffeId: request.spiffeId,
    jti: request.jti,
    audience: [request.audience],
    ttlSeconds: secondsBetween(issued.issuedAt, issued.expiresAt),
    authorityId: issued.keyId,
    expiresAt: issued.expiresAt,
    decision: 'allow',
    details: { ...request.audit.details, tokenSha256: hash('sha256', issued.token, 'hex') },
  }
}

function secondsOf(instant: Date): number {
  return Math.floor(instant.getTime() / 1000)
}

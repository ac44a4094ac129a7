import { hash } from 'node:crypto'
import type { AuditEvent } from '../../src/audit/event.ts'
import { CountersignError } from '../../src/errors.ts'
import { signCompact } from '../../src/jwt/sign.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { lintJwtSvid } from '../../src/svid/jwt-lint.ts'
import { jwtSvidClaims } from '../../src/svid/jwt-svid.ts'
import type { JwtKey } from './authorities.ts'
import { checkName, checkTtl, endOf, type IssueAudit, secondsBetween } from './issue-x509.ts'
import type { CaSettings } from './settings.ts'

export interface JwtRequest {
  readonly spiffeId: SpiffeId
  /** At least one (JWT-12). */
  readonly audience: readonly string[]
  /** 0: the server's default. */
  readonly ttlSeconds: number
  /** The end of what it is issued for, where it is not to live longer. */
  readonly notAfter?: Date | undefined
  readonly jti?: string | undefined
  readonly audit: IssueAudit
}

export interface IssuedJwt {
  /** A credential: never to be logged. */
  readonly token: string
  readonly spiffeId: SpiffeId
  readonly issuedAt: Date
  readonly expiresAt: Date
}

const maxAudiences = 64
/** In characters. */
export const maxAudienceLength = 2048

/**
 * Signs and lints one JWT-SVID that ends no later than its key. Throws `invalid` (`svid-audience`, `svid-ttl`),
 * `forbidden` (`svid-foreign`, `svid-reserved`), `unavailable` `jwt-key-ending` or `internal` (`lint-…`).
 */
export async function signJwt(
  request: JwtRequest,
  key: JwtKey,
  settings: CaSettings,
  now: Date,
): Promise<IssuedJwt> {
  const { spiffeId, audience } = request
  checkName({ spiffeId, kind: 'workload' }, settings.trustDomain)
  checkAudience(audience)
  const ttlSeconds = request.ttlSeconds === 0 ? settings.jwtSvidTtlSeconds : request.ttlSeconds
  checkTtl(ttlSeconds)
  const issuedSeconds = Math.floor(now.getTime() / 1000)
  const endSeconds = Math.floor(key.notAfter.getTime() / 1000)
  const second = new Date(issuedSeconds * 1000)
  const wanted = Math.floor(endOf(second, ttlSeconds, request.notAfter).getTime() / 1000)
  const expiresSeconds = Math.min(wanted, endSeconds)
  if (expiresSeconds <= issuedSeconds) {
    throw new CountersignError('unavailable', 'the JWT key is about to end', {
      reason: 'jwt-key-ending',
      retryAfterMs: 1000,
    })
  }
  const issuedAt = second
  const expiresAt = new Date(expiresSeconds * 1000)
  const claims = jwtSvidClaims({
    spiffeId,
    audience,
    issuedAt,
    expiresAt,
    ...(settings.jwtIssuer === undefined ? {} : { issuer: settings.jwtIssuer }),
    ...(request.jti === undefined ? {} : { jti: request.jti }),
  })
  const token = await signCompact(key.signer, key.keyId, claims)
  await lintJwtSvid(token, { ...key, claims })
  return { token, spiffeId, issuedAt, expiresAt }
}

function checkAudience(audience: readonly string[]): void {
  const sound =
    audience.length >= 1 &&
    audience.length <= maxAudiences &&
    audience.every((one) => one.length >= 1 && one.length <= maxAudienceLength)
  if (!sound) {
    throw new CountersignError('invalid', 'a token is for one or more named audiences', {
      reason: 'svid-audience',
    })
  }
}

export function jwtEvent(
  request: JwtRequest,
  issued: IssuedJwt,
  authorityId: string,
  now: Date,
): AuditEvent {
  return {
    kind: 'svid.jwt.issued',
    time: now,
    ...request.audit,
    spiffeId: issued.spiffeId,
    jti: request.jti,
    audience: request.audience,
    ttlSeconds: secondsBetween(issued.issuedAt, issued.expiresAt),
    authorityId,
    expiresAt: issued.expiresAt,
    decision: 'allow',
    // A token without a jti is still found again by whoever holds it.
    details: { ...request.audit.details, tokenSha256: hash('sha256', issued.token, 'hex') },
  }
}

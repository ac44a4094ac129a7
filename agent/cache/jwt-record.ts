import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { readCompact } from '../../src/jwt/compact.ts'
import type { JwtSvid } from '../../src/svid/jwt-svid.ts'
import { halfLife, type Moment } from './held-svid.ts'

/** A cached JWT-SVID with what decides when it is replaced. Times of the monotonic clock, in ms. */
export interface JwtRecord {
  readonly entry: Entry
  readonly audience: readonly string[]
  readonly token: string
  readonly keyId: string | undefined
  readonly issuedAt: Date
  readonly expiresAt: Date
  /** Later where a renewal has failed. */
  renewAtMs: number
  readonly expiresAtMs: number
  /** Whether anybody has asked since it came: what nobody uses is not renewed. */
  used: boolean
}

/**
 * One string for an entry as it is now and a set of audiences, and never the same for two: each
 * name stands behind its length.
 */
export function jwtKey(entry: Entry, audience: readonly string[]): string {
  const names = [...new Set(audience)].sort()
  return [entry.id, String(entry.revision), ...names].map((text) => `${text.length}:${text}`).join()
}

const leastLifeMs = 10_000

/** Throws `unauthenticated` where the token is not what was asked for. */
export function jwtRecord(
  svid: JwtSvid,
  asked: { readonly entry: Entry; readonly audience: readonly string[] },
  at: Moment,
  chance: number,
): JwtRecord {
  if (svid.spiffeId !== asked.entry.spiffeId) {
    refuse('token-foreign-id', `the server answered with a token of ${svid.spiffeId}`)
  }
  const given = new Set(svid.audience)
  const wanted = new Set(asked.audience)
  if (given.size !== wanted.size || [...wanted].some((name) => !given.has(name))) {
    refuse('token-foreign-audience', 'the server answered with a token for another audience')
  }
  const issuedAt = svid.issuedAt ?? at.now
  const lifeMs = svid.expiresAt.getTime() - issuedAt.getTime()
  const leftMs = Math.min(svid.expiresAt.getTime() - at.now.getTime(), lifeMs)
  if (leftMs <= 0) refuse('token-expired', 'the server answered with a token that has expired')
  // A clock that is ahead by almost a lifetime is no reason to renew all the time.
  const renewInMs = Math.max(leftMs, Math.min(lifeMs, leastLifeMs)) * halfLife(chance)
  return {
    ...asked,
    token: svid.token,
    keyId: readCompact(svid.token).keyId,
    issuedAt,
    expiresAt: svid.expiresAt,
    renewAtMs: at.monotonicMs + renewInMs,
    expiresAtMs: at.monotonicMs + leftMs,
    used: false,
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}

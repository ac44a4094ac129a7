import type { Bundle, BundleLookup, JwtAuthority } from '../bundle/bundle.ts'
import { CountersignError } from '../errors.ts'
import { fits } from '../jwt/algorithm.ts'
import { type CompactToken, readCompact, type TokenClaims } from '../jwt/compact.ts'
import { publicKeyOf } from '../jwt/key-cache.ts'
import { verifySignature } from '../jwt/verify.ts'
import { systemClock } from '../runtime/clock.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'

/** A JWT-SVID. */
export interface JwtSvid {
  /** Compact JWS; whoever holds it is the workload until it expires. */
  readonly token: string
  readonly spiffeId: SpiffeId
  readonly audience: readonly string[]
  /** undefined where the issuer did not say, or said no number. */
  readonly issuedAt: Date | undefined
  readonly expiresAt: Date
  /** All claims as signed. Without a prototype. */
  readonly claims: Readonly<Record<string, unknown>>
}

/** JWT-SVID §3.3 allows a little leeway for clocks; the same as most verifiers of SVIDs take. */
export const LEEWAY_SECONDS = 60

const MAX_AUDIENCES = 64
// A token without a key id costs as many verifications as keys fit it.
const MAX_KEYS_TRIED = 16
// What a Date can hold.
const MAX_SECONDS = 8.64e12

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}

/** What a token is verified against. */
export interface VerifyJwtOptions {
  /** Who the verifier is: one of these must be among the token's, exactly. */
  readonly audience: string | readonly string[]
  /** Finds the keys of the subject's own trust domain. */
  readonly bundles: BundleLookup
  /** The time of now unless told. */
  readonly now?: Date
}

/**
 * Verifies a JWT-SVID (JWT-SVID §4) with the keys of its subject's own trust domain. One of the
 * given audiences must be among the token's, exactly. `exp` and `nbf` have 60 s of leeway; `iat` is
 * not judged. Tainted keys still verify: they stop when they are revoked.
 *
 * Throws `unauthenticated`: `token-too-large`, `token-malformed`, `token-algorithm`, `token-header`,
 * `token-type`, `token-subject`, `token-audience`, `token-expiry` (missing or no whole number),
 * `token-expired`, `token-not-yet-valid`, `token-trust-domain` (no bundle for it), `token-key`
 * (no key of the bundle has its id and fits its algorithm), `token-signature`; and `invalid`,
 * reason `audience-missing`, when the caller names no audience.
 */
export async function verifyJwtSvid(token: string, options: VerifyJwtOptions): Promise<JwtSvid> {
  return (await verifyByBundle(token, options)).svid
}

/** What a JWT-SVID was found good by. */
export interface VerifiedJwtSvid {
  readonly svid: JwtSvid
  readonly bundle: Bundle
  readonly authority: JwtAuthority
}

/** As `verifyJwtSvid`. */
export async function verifyByBundle(
  token: string,
  options: VerifyJwtOptions,
): Promise<VerifiedJwtSvid> {
  const { bundles, now = systemClock.now() } = options
  const ours = audienceGiven(options.audience)
  const parsed = readCompact(token)
  const svid = jwtSvidOf(token, parsed.claims)
  if (!ours.some((name) => svid.audience.includes(name))) {
    refuse('token-audience', 'the token is for another audience')
  }
  checkTimes(svid, now)
  const bundle = bundles.bundleOf(SpiffeId.trustDomainOf(svid.spiffeId))
  if (bundle === undefined) {
    return refuse('token-trust-domain', 'the trust domain of the token is not known here')
  }
  return { svid, bundle, authority: await signerOf(token, parsed, bundle, now) }
}

/** Throws `unauthenticated`: `token-expired`, `token-not-yet-valid`. */
export function checkTimes(
  { expiresAt, claims }: Pick<JwtSvid, 'expiresAt' | 'claims'>,
  now: Date,
): void {
  const leewayMs = LEEWAY_SECONDS * 1000
  if (now.getTime() - leewayMs >= expiresAt.getTime()) {
    refuse('token-expired', 'the token is expired')
  }
  const { nbf } = claims
  const notBefore = instantOf(nbf)
  if (nbf !== undefined && notBefore === undefined) {
    refuse('token-not-yet-valid', 'the start of validity of the token is not a number')
  }
  if (notBefore !== undefined && now.getTime() + leewayMs < notBefore.getTime()) {
    refuse('token-not-yet-valid', 'the token is not yet valid')
  }
}

/**
 * Reads a JWT-SVID and verifies nothing: for one that the Workload API has issued to this process, and
 * for no other. Throws `unauthenticated`: `token-too-large`, `token-malformed`, `token-algorithm`,
 * `token-header`, `token-type`, `token-subject`, `token-audience`, `token-expiry`.
 */
export function parseJwtSvid(token: string): JwtSvid {
  return jwtSvidOf(token, readCompact(token).claims)
}

/** What the claims of a token make it, by their form. Throws `unauthenticated`: `token-subject`, `token-audience`, `token-expiry`. */
export function jwtSvidOf(token: string, claims: TokenClaims): JwtSvid {
  return {
    token,
    spiffeId: subjectOf(claims),
    audience: audienceOf(claims),
    issuedAt: instantOf(claims.iat),
    expiresAt: expiryOf(claims),
    claims,
  }
}

/** The audiences that a caller names, as a list. Throws `invalid` / `audience-missing` where there is none. */
export function audienceGiven(audience: string | readonly string[]): readonly string[] {
  const names = typeof audience === 'string' ? [audience] : audience
  if (names.length === 0 || names.includes('')) {
    throw new CountersignError('invalid', 'an audience is missing', { reason: 'audience-missing' })
  }
  return names
}

/** JWT-SVID §3.1: the SPIFFE ID of a workload, so not that of a trust domain. */
function subjectOf(claims: TokenClaims): SpiffeId {
  const subject = claims.sub
  const spiffeId = typeof subject === 'string' ? SpiffeId.tryParse(subject) : undefined
  if (spiffeId === undefined || SpiffeId.pathOf(spiffeId) === '') {
    return refuse('token-subject', 'the subject of the token is not the SPIFFE ID of a workload')
  }
  return spiffeId
}

/** JWT-SVID §3.2; RFC 7519 §4.1.3 allows a string in place of an array of one. */
function audienceOf(claims: TokenClaims): readonly string[] {
  const claim = claims.aud
  const values: readonly unknown[] = Array.isArray(claim) ? claim : [claim]
  if (values.length > MAX_AUDIENCES) refuse('token-audience', 'the token has too many audiences')
  return values.map((value) =>
    typeof value === 'string'
      ? value
      : refuse('token-audience', 'the audience of the token is missing or not a string'),
  )
}

function expiryOf(claims: TokenClaims): Date {
  const expiresAt = Number.isInteger(claims.exp) ? instantOf(claims.exp) : undefined
  return (
    expiresAt ?? refuse('token-expiry', 'the expiry of the token is missing or not a whole number')
  )
}

/** RFC 7519 §2, NumericDate: seconds, perhaps with a fraction. */
function instantOf(seconds: unknown): Date | undefined {
  return typeof seconds === 'number' && Math.abs(seconds) <= MAX_SECONDS
    ? new Date(seconds * 1000)
    : undefined
}

async function signerOf(
  token: string,
  parsed: CompactToken,
  bundle: Bundle,
  now: Date,
): Promise<JwtAuthority> {
  let tried = 0
  for (const authority of bundle.jwtAuthorities) {
    if (parsed.keyId !== undefined && parsed.keyId !== authority.keyId) continue
    // So that a stolen old key is worth nothing.
    if (hasEnded(authority, now)) continue
    const key = publicKeyOf(authority.publicKey)
    if (key === undefined || !fits(parsed.algorithm, key)) continue
    if (++tried > MAX_KEYS_TRIED) break
    if (await verifySignature(token, parsed, key)) return authority
  }
  if (tried === 0) {
    refuse('token-key', 'no key of the trust domain has the id of the token and fits its algorithm')
  }
  return refuse('token-signature', 'the signature of the token is wrong')
}

/** Whether nothing that it signed can be valid any more. */
export function hasEnded({ expiresAt }: Pick<JwtAuthority, 'expiresAt'>, now: Date): boolean {
  return expiresAt !== undefined && expiresAt.getTime() + LEEWAY_SECONDS * 1000 <= now.getTime()
}

/**
 * The claims of a new JWT-SVID (JWT-SVID §3): `aud` is always an array, instants are whole seconds
 * with the expiry rounded down. Throws `invalid`: `audience-missing`, `audience-too-many`,
 * `token-subject`, `token-expiry`.
 */
export function jwtSvidClaims(input: {
  spiffeId: SpiffeId
  audience: readonly string[]
  issuedAt: Date
  expiresAt: Date
  issuer?: string | undefined
  jti?: string | undefined
}): Record<string, unknown> {
  const aud = [...new Set(audienceGiven(input.audience))]
  const iat = wholeSeconds(input.issuedAt)
  const exp = wholeSeconds(input.expiresAt)
  if (aud.length > MAX_AUDIENCES) {
    invalid('audience-too-many', `a token has at most ${MAX_AUDIENCES} audiences`)
  }
  if (SpiffeId.pathOf(input.spiffeId) === '') {
    invalid('token-subject', 'a token is for a workload, not for a trust domain')
  }
  // Also refuses invalid dates.
  if (!(exp > iat)) invalid('token-expiry', 'a token expires after it is issued')
  return {
    sub: input.spiffeId,
    aud,
    exp,
    iat,
    ...(input.issuer === undefined ? {} : { iss: input.issuer }),
    ...(input.jti === undefined ? {} : { jti: input.jti }),
  }
}

function wholeSeconds(instant: Date): number {
  return Math.floor(instant.getTime() / 1000)
}

function invalid(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}

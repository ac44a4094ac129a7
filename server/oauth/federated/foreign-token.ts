import { CountersignError } from '../../../src/errors.ts'
import { type CompactToken, readCompact } from '../../../src/jwt/compact.ts'
import { publicKeyOf } from '../../../src/jwt/key-cache.ts'
import { verifySignature } from '../../../src/jwt/verify.ts'
import type { KeyLookup } from '../../../src/resource-server/jwks.ts'
import { claimText } from './claims.ts'
import type { FederatedIssuer } from './settings.ts'

/** A token of another issuer, verified: of whom it speaks here is not asked yet. */
export interface ForeignToken {
  readonly issuer: FederatedIssuer
  readonly claims: Readonly<Record<string, unknown>>
  readonly subject: string
  readonly jti: string | undefined
  readonly issuedAt: Date
  readonly expiresAt: Date
  /** UID of the pod that it was made for; Kubernetes alone, and always there. */
  readonly podUid: string | undefined
}

/** An issuer, and its keys. */
export interface KnownIssuer {
  readonly settings: FederatedIssuer
  readonly keys: KeyLookup
}

const types: ReadonlySet<unknown> = new Set([undefined, 'JWT'])
/** GitHub names the certificate of its key: a hint that nobody follows. */
const unread: ReadonlySet<string> = new Set(['x5t'])
/** For clocks that are ahead of ours; an expiry is one at once. */
const leewayMs = 60_000
const maxSubject = 2048
const maxJti = 1024

/**
 * Verifies a token against the settings of its own issuer, cheap things first: who is not to be believed makes
 * nobody fetch keys. Throws `invalid`: `token-…` for its form and signature, `subject-issuer`, `subject-algorithm`,
 * `subject-audience`, `subject-key`, `subject-times`, `subject-expired`, `subject-not-yet-valid`,
 * `subject-max-age`, `subject-missing`, `subject-jti`, `subject-pod`; and as `KeyLookup`.
 */
export async function verifyForeignToken(
  token: string,
  issuers: ReadonlyMap<string, KnownIssuer>,
  now: Date,
): Promise<ForeignToken> {
  const parsed = read(token)
  const { claims, algorithm, keyId } = parsed
  const known = typeof claims['iss'] === 'string' ? issuers.get(claims['iss']) : undefined
  if (known === undefined) return refuse('subject-issuer')
  const { settings } = known
  if (!settings.algorithms.has(algorithm)) refuse('subject-algorithm')
  checkAudience(claims.aud, settings.audience)
  const times = checkTimes(claims, settings, now)
  const { sub, jti } = claims as { readonly sub?: unknown; readonly jti?: unknown }
  if (typeof sub !== 'string' || sub === '' || sub.length > maxSubject) refuse('subject-missing')
  const named = typeof jti === 'string' && jti !== '' && jti.length <= maxJti ? jti : undefined
  if (settings.singleUse && named === undefined) refuse('subject-jti')
  const podUid = podOf(claims, settings)
  const spki = keyId === undefined ? undefined : await known.keys(keyId)
  const key = spki && publicKeyOf(spki)
  if (key === undefined) return refuse('subject-key')
  if (!(await verifySignature(token, parsed, key))) refuse('token-signature')
  return { issuer: settings, claims, subject: String(sub), jti: named, podUid, ...times }
}

/** What is wrong with its form is said to the trail, not to whoever sent it. */
function read(token: string): CompactToken {
  try {
    return readCompact(token, types, unread)
  } catch (error) {
    if (error instanceof CountersignError) return refuse(error.reason)
    throw error
  }
}

/** For this server and for nobody else: another one that it is for could show it here. */
function checkAudience(aud: unknown, expected: string): void {
  const [only, ...more] = Array.isArray(aud) ? (aud as unknown[]) : [aud]
  if (only !== expected || more.length > 0) refuse('subject-audience')
}

function checkTimes(
  { iat, exp, nbf }: CompactToken['claims'],
  { maxAgeSeconds }: FederatedIssuer,
  now: Date,
): { readonly issuedAt: Date; readonly expiresAt: Date } {
  const issuedAt = instant(iat) ?? refuse('subject-times')
  const expiresAt = instant(exp) ?? refuse('subject-times')
  const notBefore = nbf === undefined ? issuedAt : (instant(nbf) ?? refuse('subject-times'))
  if (expiresAt <= now) refuse('subject-expired')
  const latest = now.getTime() + leewayMs
  if (issuedAt.getTime() > latest || notBefore.getTime() > latest) refuse('subject-not-yet-valid')
  if (expiresAt.getTime() - issuedAt.getTime() > maxAgeSeconds * 1000) refuse('subject-max-age')
  return { issuedAt, expiresAt }
}

const maxSeconds = 8.64e12

function instant(seconds: unknown): Date | undefined {
  return typeof seconds === 'number' && seconds >= 0 && seconds <= maxSeconds
    ? new Date(seconds * 1000)
    : undefined
}

/** A token that is bound to no pod outlives whoever it was made for. */
function podOf(
  claims: Readonly<Record<string, unknown>>,
  { kind }: FederatedIssuer,
): string | undefined {
  if (kind !== 'kubernetes') return undefined
  const uid = claimText(claims, 'kubernetes.io/pod/uid')
  return uid === undefined || uid === '' ? refuse('subject-pod') : uid
}

function refuse(reason: string): never {
  throw new CountersignError('invalid', 'the subject token is not accepted', { reason })
}

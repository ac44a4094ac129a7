import { CountersignError } from '../errors.ts'
import type { TokenClaims } from '../jwt/compact.ts'
import { isJsonObject } from '../jwt/strict-json.ts'

/** Who may do what: what an access token says, verified, but not the token itself. */
export interface Access {
  /** The workload, as its issuer names it: a SPIFFE ID where that is Countersign. */
  readonly subject: string
  readonly clientId: string
  /** Who has passed the request on, the caller first: by token exchange (RFC 8693 §4.1). Only the first may be decided by. */
  readonly actors: readonly string[]
  readonly scopes: ReadonlySet<string>
  readonly tokenId: string
  readonly issuedAt: Date
  readonly expiresAt: Date
  /** Whether the token is good with one certificate alone (RFC 8705); that it was this one is verified. */
  readonly bound: boolean
  /** The client's entry, its owner and its purpose, where the issuer tells them, as Countersign does. */
  readonly entryId?: string
  readonly owner?: string
  readonly purpose?: string
  /** Common to a token and to all that was exchanged for it (`txn`). */
  readonly transaction?: string
}

/** What the claims have to be. */
export interface Expected {
  readonly issuer: string
  readonly audience: string
  readonly clockSkewSeconds: number
  /** base64url of the SHA-256 of the certificate that the caller presented; undefined: none. */
  readonly thumbprint: string | undefined
  readonly requireBound: boolean
  readonly now: Date
}

// What a Date can hold.
const maxSeconds = 8.64e12

/**
 * Judges the claims of a token whose signature is good (RFC 9068 §4, RFC 8705 §3). Throws `unauthenticated`:
 * `token-issuer`, `token-audience` (another one, or several), `token-expiry`, `token-expired`, `token-not-yet-valid`,
 * `token-claims`, `token-binding`.
 */
export function readAccess(claims: TokenClaims, expected: Expected): Access {
  if (claims['iss'] !== expected.issuer) refuse('token-issuer', 'the token is of another issuer')
  if (soleAudience(claims.aud) !== expected.audience) {
    refuse('token-audience', 'the token is not for this service alone')
  }
  const expiresAt = instantOf(claims.exp)
  const issuedAt = instantOf(claims.iat)
  if (expiresAt === undefined || issuedAt === undefined) {
    return refuse('token-expiry', 'the token does not say when it was issued and when it ends')
  }
  checkTimes(issuedAt, expiresAt, claims.nbf, expected)
  const bound = checkBinding(claims['cnf'], expected)
  const scope = claims['scope'] ?? ''
  const { sub: subject, client_id: clientId, jti: tokenId } = claims
  if (!isName(subject) || !isName(clientId) || !isName(tokenId) || typeof scope !== 'string') {
    return refuse('token-claims', 'sub, client_id, jti or scope of the token is missing or unsound')
  }
  const scopes = new Set(scope.split(' ').filter((one) => one !== ''))
  return {
    ...{ subject, clientId, actors: actorsIn(claims['act']), scopes, tokenId },
    ...{ issuedAt, expiresAt, bound },
    ...namesOf(claims, {
      entry_id: 'entryId',
      owner: 'owner',
      purpose: 'purpose',
      txn: 'transaction',
    }),
  }
}

/** How deep it is nested, the reader of the token has bounded. */
function actorsIn(act: unknown): readonly string[] {
  const actors: string[] = []
  for (let actor = act; actor !== undefined; ) {
    const { sub, act: before } = isJsonObject(actor) ? actor : {}
    if (!isName(sub)) return refuse('token-claims', 'an actor of the token has no sound name')
    actors.push(sub)
    actor = before
  }
  return actors
}

/** Those of the claims that are there; one that is no text is none. */
function namesOf(
  claims: TokenClaims,
  members: Readonly<Record<string, 'entryId' | 'owner' | 'purpose' | 'transaction'>>,
): Partial<Access> {
  const found = Object.entries(members).filter(([claim]) => isName(claims[claim]))
  return Object.fromEntries(found.map(([claim, member]) => [member, claims[claim]]))
}

function soleAudience(audience: unknown): unknown {
  return Array.isArray(audience) && audience.length === 1 ? audience[0] : audience
}

function checkTimes(issuedAt: Date, expiresAt: Date, nbf: unknown, expected: Expected): void {
  const skewMs = expected.clockSkewSeconds * 1000
  const nowMs = expected.now.getTime()
  if (nowMs - skewMs >= expiresAt.getTime()) refuse('token-expired', 'the token is expired')
  const notBefore = nbf === undefined ? issuedAt : instantOf(nbf)
  if (notBefore === undefined || nowMs + skewMs < Math.max(+notBefore, +issuedAt)) {
    refuse('token-not-yet-valid', 'the token is not yet valid')
  }
}

/** Whether the token is bound. A confirmation of a kind that is not known here is one that cannot be checked. */
function checkBinding(cnf: unknown, { thumbprint, requireBound }: Expected): boolean {
  if (cnf === undefined) {
    if (requireBound) refuse('token-binding', 'the token is not bound to a certificate')
    return false
  }
  const members = typeof cnf === 'object' && cnf !== null ? Object.entries(cnf) : []
  const [name, value] = members[0] ?? []
  if (members.length !== 1 || name !== 'x5t#S256' || value !== thumbprint) {
    refuse('token-binding', 'the token is bound to another certificate')
  }
  return true
}

export function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function instantOf(seconds: unknown): Date | undefined {
  return typeof seconds === 'number' && Math.abs(seconds) <= maxSeconds
    ? new Date(seconds * 1000)
    : undefined
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}

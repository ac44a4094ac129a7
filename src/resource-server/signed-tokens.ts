import { hash } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { readCompact, type TokenClaims } from '../jwt/compact.ts'
import { publicKeyOf } from '../jwt/key-cache.ts'
import { verifySignature } from '../jwt/verify.ts'
import type { KeyLookup } from './jwks.ts'

/** What a token says whose signature is good, and by which key. */
export interface SignedToken {
  readonly keyId: string
  readonly claims: TokenClaims
}

interface Known extends SignedToken {
  /** SubjectPublicKeyInfo, DER. */
  readonly key: Buffer
}

const maxTokenBytes = 8192
const maxKnown = 4096
const accessTokenTypes: ReadonlySet<unknown> = new Set(['at+jwt', 'application/at+jwt'])

/**
 * Checks form, type, algorithm, key and signature of access tokens. Remembers, by SHA-256, the 4,096 good ones that were
 * shown last: of such a one the signature is not computed again, as long as the issuer has the key that it is by. Rejects with
 * `unauthenticated`: `token-too-large`, `token-malformed`, `token-type`, `token-algorithm`, `token-header`, `token-key`,
 * `token-signature`, or as `keyOf` does.
 */
export function signedTokens(keyOf: KeyLookup): (token: string) => Promise<SignedToken> {
  const known = new Map<string, Known>()

  const look = async (token: string): Promise<Known> => {
    const parsed = readCompact(token, accessTokenTypes)
    const { keyId, claims } = parsed
    const spki = keyId === undefined ? undefined : await keyOf(keyId)
    const key = spki && publicKeyOf(spki)
    if (keyId === undefined || spki === undefined || key === undefined) return unknownKey()
    if (!(await verifySignature(token, parsed, key))) {
      refuse('token-signature', 'the signature of the token is wrong')
    }
    return { keyId, claims, key: spki }
  }
  return async (token) => {
    if (token.length > maxTokenBytes) refuse('token-too-large', 'the token is too large')
    const digest = hash('sha256', token, 'base64url')
    const before = known.get(digest)
    const key = before && (await keyOf(before.keyId))
    const isKnown = before !== undefined && key?.equals(before.key) === true
    const found = isKnown ? before : await look(token)
    // The one that was shown last is the last to go.
    known.delete(digest)
    const [oldest] = known.keys()
    if (known.size >= maxKnown && oldest !== undefined) known.delete(oldest)
    known.set(digest, found)
    return found
  }
}

function unknownKey(): never {
  return refuse('token-key', 'the issuer has no key of this id')
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}

import type { AsymmetricKeyDetails, KeyObject } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import type { KeyKind } from '../x509/key.ts'

/** JWT-SVID §2.1: these nine and no other. Nothing symmetric, no `none`, no EdDSA. */
export type JwtAlgorithm =
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'PS256'
  | 'PS384'
  | 'PS512'

type Requirement =
  | { readonly family: 'rsa' }
  | { readonly family: 'ec'; readonly curve: string; readonly coordinateBytes: number }

const RSA: Requirement = { family: 'rsa' }

// RFC 7518 §3.1. A Map, so that a name like `constructor` in a header finds nothing.
const requirements: ReadonlyMap<string, Requirement> = new Map<JwtAlgorithm, Requirement>([
  ['ES256', { family: 'ec', curve: 'prime256v1', coordinateBytes: 32 }],
  ['ES384', { family: 'ec', curve: 'secp384r1', coordinateBytes: 48 }],
  ['ES512', { family: 'ec', curve: 'secp521r1', coordinateBytes: 66 }],
  ['RS256', RSA],
  ['RS384', RSA],
  ['RS512', RSA],
  ['PS256', RSA],
  ['PS384', RSA],
  ['PS512', RSA],
])

const byKind: Readonly<Record<KeyKind, JwtAlgorithm | undefined>> = {
  'ec-p256': 'ES256',
  'ec-p384': 'ES384',
  'ec-p521': 'ES512',
  'rsa-2048': 'RS256',
  'rsa-3072': 'RS256',
  'rsa-4096': 'RS256',
  ed25519: undefined,
}

const MIN_RSA_BITS = 2048

export function isJwtAlgorithm(name: unknown): name is JwtAlgorithm {
  return typeof name === 'string' && requirements.has(name)
}

/** What a key of this kind signs tokens with. Throws `invalid`, reason `key-kind-not-for-jwt`, for Ed25519. */
export function algorithmFor(kind: KeyKind): JwtAlgorithm {
  const algorithm = byKind[kind]
  if (algorithm === undefined) {
    throw new CountersignError('invalid', `a key of kind ${kind} cannot sign a JWT-SVID`, {
      reason: 'key-kind-not-for-jwt',
      fix: 'use an EC (P-256, P-384, P-521) or an RSA key',
    })
  }
  return algorithm
}

/** Whether a key is of the family, curve and strength that the algorithm asks for (RFC 7518 §3.3-3.5). */
export function fits(algorithm: JwtAlgorithm, key: KeyObject): boolean {
  const requirement = requirements.get(algorithm)
  if (requirement === undefined || key.asymmetricKeyType !== requirement.family) return false
  const details = detailsOf(key)
  return requirement.family === 'ec'
    ? details?.namedCurve === requirement.curve
    : (details?.modulusLength ?? 0) >= MIN_RSA_BITS
}

const known = new WeakMap<KeyObject, AsymmetricKeyDetails | undefined>()

/** Node makes a copy of them each time, and a key is asked about at each token. */
function detailsOf(key: KeyObject): AsymmetricKeyDetails | undefined {
  const found = known.get(key)
  if (found !== undefined) return found
  const details = key.asymmetricKeyDetails
  known.set(key, details)
  return details
}

/** Bytes of one coordinate in an ECDSA signature (RFC 7518 §3.4); undefined for RSA. */
export function coordinateBytesOf(algorithm: JwtAlgorithm): number | undefined {
  const requirement = requirements.get(algorithm)
  return requirement?.family === 'ec' ? requirement.coordinateBytes : undefined
}

/** The one length that a signature by this key has; the algorithm must fit the key. */
export function signatureBytesOf(algorithm: JwtAlgorithm, key: KeyObject): number {
  const coordinateBytes = coordinateBytesOf(algorithm)
  return coordinateBytes === undefined
    ? Math.ceil((detailsOf(key)?.modulusLength ?? 0) / 8)
    : coordinateBytes * 2
}

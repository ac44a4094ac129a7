import { createPublicKey } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { importSpki } from '../x509/spki.ts'
import { decodeBase64url } from './base64url.ts'

/** A public key as RFC 7517 writes it, the key's parameters and nothing else. Numbers are base64url, big-endian. */
export type PublicJwk =
  | { readonly kty: 'EC'; readonly crv: string; readonly x: string; readonly y: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }

/** The members of a JWK from outside that hold an EC or RSA public key. */
export interface JwkMembers {
  readonly kty?: unknown
  readonly crv?: unknown
  readonly x?: unknown
  readonly y?: unknown
  readonly n?: unknown
  readonly e?: unknown
}

const coordinateBytes: ReadonlyMap<unknown, number> = new Map([
  ['P-256', 32],
  ['P-384', 48],
  ['P-521', 66],
])

function refuse(reason: string, message: string, cause?: unknown): never {
  throw new CountersignError('invalid', message, { reason, cause })
}

/**
 * SubjectPublicKeyInfo, DER, to a JWK: EC coordinates in full width (RFC 7518 §6.2.1.2), RSA numbers
 * without leading zeros (§6.3.1). Throws `invalid`: `jwk-key-kind` for other keys, and `key-…` or
 * `der-malformed` for unsound ones.
 */
export function publicJwk(spki: Buffer): PublicJwk {
  const { kty, crv, x, y, n, e } = importSpki(spki).key.export({ format: 'jwk' })
  if (kty === 'EC' && crv !== undefined && x !== undefined && y !== undefined) {
    return { kty, crv, x, y }
  }
  if (kty === 'RSA' && n !== undefined && e !== undefined) return { kty, n, e }
  return refuse('jwk-key-kind', 'only EC and RSA keys are published as a JWK')
}

/**
 * The key of a JWK as SubjectPublicKeyInfo, DER; members that are no parameters of the key are not
 * looked at. Throws `invalid`: `jwk-key-kind`, `jwk-malformed`, and `key-…` for weak keys.
 */
export function spkiFromJwk(jwk: JwkMembers): Buffer {
  const parameters = parametersOf(jwk)
  let spki: Buffer
  try {
    spki = createPublicKey({ key: { ...parameters }, format: 'jwk' }).export({
      format: 'der',
      type: 'spki',
    })
  } catch (cause) {
    return refuse('jwk-malformed', 'the JWK is not a valid public key', cause)
  }
  importSpki(spki)
  return spki
}

function parametersOf(jwk: JwkMembers): PublicJwk {
  switch (jwk.kty) {
    case 'EC': {
      const width = coordinateBytes.get(jwk.crv)
      if (width === undefined) {
        return refuse('jwk-key-kind', 'the curve of the JWK is not used here')
      }
      return {
        kty: 'EC',
        crv: String(jwk.crv),
        x: coordinate(jwk.x, width),
        y: coordinate(jwk.y, width),
      }
    }
    case 'RSA':
      return { kty: 'RSA', n: positive(jwk.n), e: positive(jwk.e) }
    default:
      return refuse('jwk-key-kind', 'the key type of the JWK is not used here')
  }
}

function coordinate(value: unknown, width: number): string {
  if (typeof value !== 'string' || decodeBase64url(value)?.length !== width) {
    return refuse('jwk-malformed', 'a coordinate of the JWK does not have its full width')
  }
  return value
}

const MAX_RSA_NUMBER_CHARACTERS = 2048

function positive(value: unknown): string {
  if (
    typeof value !== 'string' ||
    value.length > MAX_RSA_NUMBER_CHARACTERS ||
    (decodeBase64url(value)?.[0] ?? 0) === 0
  ) {
    return refuse('jwk-malformed', 'a number of the JWK is missing, too long or has leading zeros')
  }
  return value
}

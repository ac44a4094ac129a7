import { CountersignError } from '../errors.ts'
import { decodeBase64 } from '../jwt/base64url.ts'
import { type JwkMembers, type PublicJwk, publicJwk, spkiFromJwk } from '../jwt/jwk.ts'
import { isJsonObject, type JsonObject, parseJsonObject } from '../jwt/strict-json.ts'
import { type CertificateFields, parseCertificate, readCertificate } from '../x509/certificate.ts'
import type { JwtAuthority, X509Authority } from './bundle.ts'

export const MAX_DOCUMENT_BYTES = 1_048_576
const MAX_KEYS = 1024
const MAX_KEY_ID_CHARACTERS = 1024

/** One element of a JWK Set as it came. */
export interface JwkElement extends JwkMembers {
  readonly use?: unknown
  readonly kid?: unknown
  readonly x5c?: unknown
}

/** X509-SVID §6.1: one element a certificate, `x5c` of exactly one, no `kid`. */
export interface X509Element {
  readonly use: 'x509-svid'
  readonly x5c: readonly [string]
}

/** JWT-SVID §6.1. */
export interface JwtElement {
  readonly use: 'jwt-svid'
  readonly kid: string
}

function refuse(reason: string, message: string, cause?: unknown): never {
  throw new CountersignError('invalid', message, { reason, cause })
}

/**
 * Reads a JWK Set (RFC 7517 §5). What is no object in `keys` is left out. Throws `invalid`:
 * `bundle-too-large`, `bundle-malformed`, `bundle-keys-missing`, `bundle-too-many-keys`.
 */
export function readJwkSet(text: string): { keys: readonly JwkElement[]; set: JsonObject } {
  if (text.length > MAX_DOCUMENT_BYTES || Buffer.byteLength(text) > MAX_DOCUMENT_BYTES) {
    refuse('bundle-too-large', `a bundle document has at most ${MAX_DOCUMENT_BYTES} bytes`)
  }
  let set: JsonObject
  try {
    set = parseJsonObject(text)
  } catch (cause) {
    return refuse('bundle-malformed', 'the bundle document is not a sound JSON object', cause)
  }
  const keys = (set.members as { keys?: unknown }).keys
  if (!Array.isArray(keys)) {
    return refuse('bundle-keys-missing', 'the bundle document has no array of keys')
  }
  if (keys.length > MAX_KEYS) {
    refuse('bundle-too-many-keys', `a bundle document has at most ${MAX_KEYS} keys`)
  }
  return { keys: keys.filter(isJsonObject), set }
}

/** Throws `invalid`, reasons `certificate-…` and `jwk-key-kind`. */
export function writeX509Element(authority: X509Authority): X509Element & PublicJwk {
  const { der, spki } = readCertificate(authority.certificate)
  return { use: 'x509-svid', ...publicJwk(spki), x5c: [der.toString('base64')] }
}

/** Throws `invalid`, reasons `key-…` and `jwk-key-kind`. */
export function writeJwtElement(authority: JwtAuthority): JwtElement & PublicJwk {
  return { use: 'jwt-svid', kid: authority.keyId, ...publicJwk(authority.publicKey) }
}

/** undefined where RFC 7517 §5 lets an element be ignored: a type not known, a member missing or unsound. */
export function readJwtElement(element: JwkElement): JwtAuthority | undefined {
  const keyId = element.kid
  if (typeof keyId !== 'string' || keyId === '' || keyId.length > MAX_KEY_ID_CHARACTERS) {
    return undefined
  }
  const publicKey = spkiIn(element)
  return publicKey && { keyId, publicKey, expiresAt: undefined, tainted: false }
}

/** The same. X509-SVID §6.2: only the first value of `x5c` counts. */
export function readX509Element(element: JwkElement): X509Authority | undefined {
  const { kty, x5c } = element
  if ((kty !== 'EC' && kty !== 'RSA') || !Array.isArray(x5c)) return undefined
  const first: unknown = x5c[0]
  const der = typeof first === 'string' ? decodeBase64(first) : undefined
  const certificate = der && certificateIn(der)
  if (certificate?.basicConstraints?.ca !== true) return undefined
  if (publicJwk(certificate.spki).kty !== kty) return undefined
  // An element that names another key than its certificate holds was put together wrongly or in bad faith.
  const stated = spkiIn(element)
  if (stated !== undefined && !stated.equals(certificate.spki)) return undefined
  return { certificate: certificate.der, tainted: false }
}

function spkiIn(element: JwkElement): Buffer | undefined {
  return orUndefined(() => spkiFromJwk(element))
}

function certificateIn(der: Buffer): CertificateFields | undefined {
  return orUndefined(() => parseCertificate(der))
}

/** For elements that are skipped when they are unsound. */
function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof CountersignError) return undefined
    throw error
  }
}

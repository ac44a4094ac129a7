import { CountersignError } from '../errors.ts'
import type { JsonObject } from '../jwt/strict-json.ts'
import type { TrustDomain } from '../spiffe-id/spiffe-id.ts'
import type { Bundle, JwtAuthority, X509Authority } from './bundle.ts'
import {
  type JwkElement,
  readJwkSet,
  readJwtElement,
  readX509Element,
  writeJwtElement,
  writeX509Element,
} from './jwk-set.ts'

const MAX_SEQUENCE = 2n ** 64n - 1n
// A hint, not an order: whoever polls a bundle once a month does not want it at all.
const MAX_REFRESH_HINT_SECONDS = 30 * 24 * 3600

/**
 * The SPIFFE bundle document (Trust Domain and Bundle §4), JSON. Tainted authorities are in it,
 * since what they signed is valid until they are revoked. The refresh hint is left out where it is 0.
 * Throws `invalid` for an authority that cannot be written, reasons `certificate-…`, `key-…`,
 * `jwk-key-kind`.
 */
export function writeBundleDocument(bundle: Bundle): string {
  const keys = [
    ...bundle.x509Authorities.map(writeX509Element),
    ...bundle.jwtAuthorities.map(writeJwtElement),
  ]
  const hint =
    bundle.refreshHintSeconds > 0 ? `,"spiffe_refresh_hint":${bundle.refreshHintSeconds}` : ''
  // By hand: JSON.stringify has no integers of 64 bits.
  return `{"keys":${JSON.stringify(keys)},"spiffe_sequence":${bundle.sequence}${hint}}`
}

/**
 * Reads a SPIFFE bundle document of at most 1 MiB. Elements of an unknown `kty` or `use`, or that
 * lack what they need, are left out (§4.1.3, §4.2); `keys` may be empty, which trusts nothing. The
 * sequence is 0 and the hint 0 where there is none; a hint that is no positive whole number counts
 * as none. Throws `invalid`: `bundle-too-large`, `bundle-malformed`, `bundle-keys-missing`,
 * `bundle-too-many-keys`, `bundle-sequence`.
 */
export function parseBundleDocument(trustDomain: TrustDomain, text: string): Bundle {
  const { keys, set } = readJwkSet(text)
  const withUse = (use: string): JwkElement[] => keys.filter((element) => element.use === use)
  return {
    trustDomain,
    x509Authorities: distinct(withUse('x509-svid').map(readX509Element), x509Identity),
    jwtAuthorities: distinct(withUse('jwt-svid').map(readJwtElement), jwtIdentity),
    sequence: sequenceOf(set),
    refreshHintSeconds: refreshHintOf(set),
  }
}

/** §4.1.1. Read from the text, since a number above 2^53 is rounded otherwise. */
function sequenceOf(set: JsonObject): bigint {
  if (!('spiffe_sequence' in set.members)) return 0n
  const source = set.numbers.get('spiffe_sequence')
  const sequence = source !== undefined && /^[0-9]{1,20}$/.test(source) ? BigInt(source) : undefined
  if (sequence === undefined || sequence > MAX_SEQUENCE) {
    throw new CountersignError('invalid', 'the sequence of a bundle is an integer of 64 bits', {
      reason: 'bundle-sequence',
    })
  }
  return sequence
}

/** §4.1.2. */
function refreshHintOf(set: JsonObject): number {
  const { spiffe_refresh_hint: hint } = set.members
  return typeof hint === 'number' && Number.isInteger(hint) && hint > 0
    ? Math.min(hint, MAX_REFRESH_HINT_SECONDS)
    : 0
}

/** The X.509 authorities as the Workload API carries them: DER, DER, … (§5.2.1). */
export function x509BundleDer(bundle: Bundle): Buffer {
  return Buffer.concat(bundle.x509Authorities.map((authority) => authority.certificate))
}

/** The JWT authorities as the Workload API carries them: a JWK Set, JSON, each with `use: "jwt-svid"` (§6.2.2). */
export function jwtBundleJwks(bundle: Bundle): Buffer {
  return Buffer.from(JSON.stringify({ keys: bundle.jwtAuthorities.map(writeJwtElement) }))
}

/**
 * Reads what the Workload API carries as a JWT bundle: a plain JWK Set, where a key without `use` is
 * a JWT authority too, and one with another `use` is not. Throws `invalid`, reasons `bundle-…`.
 */
export function parseJwtBundleJwks(jwks: Uint8Array): readonly JwtAuthority[] {
  const { keys } = readJwkSet(Buffer.from(jwks).toString('utf8'))
  const ours = keys.filter(({ use }) => use === undefined || use === 'jwt-svid')
  return distinct(ours.map(readJwtElement), jwtIdentity)
}

/** Whether both say the same: authorities in any order, their taint and expiry, the refresh hint. Not the sequence. */
export function sameBundle(a: Bundle, b: Bundle): boolean {
  return (
    a === b ||
    (a.trustDomain === b.trustDomain &&
      a.refreshHintSeconds === b.refreshHintSeconds &&
      sameSet(a.x509Authorities.map(x509Content), b.x509Authorities.map(x509Content)) &&
      sameSet(a.jwtAuthorities.map(jwtContent), b.jwtAuthorities.map(jwtContent)))
  )
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  const sorted = b.toSorted()
  return a.toSorted().every((item, i) => item === sorted[i])
}

function x509Identity(authority: X509Authority): string {
  return authority.certificate.toString('latin1')
}

function jwtIdentity(authority: JwtAuthority): string {
  return `${authority.publicKey.toString('hex')} ${authority.keyId}`
}

function x509Content(authority: X509Authority): string {
  return `${authority.tainted} ${x509Identity(authority)}`
}

function jwtContent(authority: JwtAuthority): string {
  return `${authority.tainted} ${authority.expiresAt?.getTime()} ${jwtIdentity(authority)}`
}

/** The first of each, without what could not be read. */
function distinct<T>(items: readonly (T | undefined)[], identity: (item: T) => string): T[] {
  const found = new Map<string, T>()
  for (const item of items) {
    if (item !== undefined && !found.has(identity(item))) found.set(identity(item), item)
  }
  return [...found.values()]
}

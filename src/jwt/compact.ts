import { CountersignError } from '../errors.ts'
import { fromUtf8 } from '../runtime/utf8.ts'
import { isJwtAlgorithm, type JwtAlgorithm } from './algorithm.ts'
import { decodeBase64url } from './base64url.ts'
import { parseJsonObject } from './strict-json.ts'

/** ASCII, so that characters are bytes. */
export const MAX_TOKEN_BYTES = 65_536

/** Claims as they came, none of them checked (RFC 7519 §4.1). Without a prototype. */
export interface TokenClaims {
  readonly sub?: unknown
  readonly aud?: unknown
  readonly exp?: unknown
  readonly nbf?: unknown
  readonly iat?: unknown
  readonly [claim: string]: unknown
}

interface TokenHeader {
  readonly alg?: unknown
  readonly kid?: unknown
  readonly typ?: unknown
}

/** A token whose form is right. Nothing in it is verified yet. */
export interface CompactToken {
  readonly algorithm: JwtAlgorithm
  readonly keyId: string | undefined
  readonly claims: TokenClaims
  readonly signature: Buffer
}

function refuse(reason: string, message: string, cause?: unknown): never {
  throw new CountersignError('unauthenticated', message, { reason, cause })
}

const HEADER_MEMBERS: ReadonlySet<string> = new Set(['alg', 'kid', 'typ'])
// JWT-SVID §2.3.
const SVID_TYPES: ReadonlySet<unknown> = new Set([undefined, 'JWT', 'JOSE'])
const NOTHING: ReadonlySet<string> = new Set()

/**
 * Reads a JWS in compact form (RFC 7515 §7.1) under the rules of JWT-SVID §2: three parts, the
 * header `alg`, `kid` and `typ` only, so that no `crit`, `b64`, `jwk`, `jku` or `x5u` is ever
 * looked at. `types` are the values of `typ` that are taken, those of a JWT-SVID unless told; `unread` are
 * further members of the header that may be there and change nothing. Throws
 * `unauthenticated`: `token-too-large`, `token-malformed`, `token-algorithm`,
 * `token-header`, `token-type`.
 */
export function readCompact(
  token: string,
  types: ReadonlySet<unknown> = SVID_TYPES,
  unread: ReadonlySet<string> = NOTHING,
): CompactToken {
  if (token.length > MAX_TOKEN_BYTES) refuse('token-too-large', 'the token is too large')
  const first = token.indexOf('.')
  const second = token.indexOf('.', first + 1)
  if (first === -1 || second === -1 || token.includes('.', second + 1)) {
    refuse('token-malformed', 'the token does not have three parts')
  }
  const header: TokenHeader = readHeader(token.slice(0, first))
  // JWT-SVID §2.1: before anything else in the token is processed.
  const algorithm = header.alg
  if (!isJwtAlgorithm(algorithm)) {
    return refuse('token-algorithm', 'the algorithm of the token is not one of the JWT-SVID ones')
  }
  const keyId = checkHeader(header, types, unread)
  const signature = decodeBase64url(token.slice(second + 1))
  if (signature === undefined || signature.length === 0) {
    return refuse('token-malformed', 'the signature of the token is missing or not base64url')
  }
  return {
    algorithm,
    keyId,
    claims: readPart(token.slice(first + 1, second), 'payload'),
    signature,
  }
}

/** By their text: all that one key signs have the same. */
const headers = new Map<string, TokenHeader>()
const maxHeaders = 64
/** A longer one is read each time: anybody can send it. */
const maxHeaderLength = 512

/** Frozen, since others get it too. */
function readHeader(part: string): TokenHeader {
  const known = headers.get(part)
  if (known !== undefined) return known
  const header = Object.freeze(readPart(part, 'header'))
  if (part.length > maxHeaderLength) return header
  if (headers.size >= maxHeaders) headers.clear()
  // A copy, which keeps no token alive.
  headers.set(Buffer.from(part, 'latin1').toString('latin1'), header)
  return header
}

function readPart(part: string, what: string): Readonly<Record<string, unknown>> {
  const bytes = decodeBase64url(part)
  if (bytes === undefined) {
    return refuse('token-malformed', `the ${what} of the token is not base64url`)
  }
  try {
    return parseJsonObject(fromUtf8(bytes)).members
  } catch (cause) {
    return refuse('token-malformed', `the ${what} of the token is not a sound JSON object`, cause)
  }
}

function checkHeader(
  header: TokenHeader,
  types: ReadonlySet<unknown>,
  unread: ReadonlySet<string>,
): string | undefined {
  if (!Object.keys(header).every((name) => HEADER_MEMBERS.has(name) || unread.has(name))) {
    refuse('token-header', 'the header of the token holds more than alg, kid and typ')
  }
  if (!types.has(header.typ)) refuse('token-type', 'the token is of another type')
  const keyId = header.kid
  if (keyId !== undefined && typeof keyId !== 'string') {
    return refuse('token-header', 'the key id of the token is not a string')
  }
  return keyId
}

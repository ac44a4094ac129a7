import { CountersignError } from '../errors.ts'

declare const trustDomainBrand: unique symbol
declare const spiffeIdBrand: unique symbol

/** A trust domain's name, `example.org`: valid, lower case, no scheme. A string that only `TrustDomain.parse` makes. */
export type TrustDomain = string & { readonly [trustDomainBrand]: true }

/** A whole SPIFFE ID, `spiffe://example.org/web`: valid and canonical, so that `===` compares. Only `SpiffeId.parse` and `SpiffeId.of` make one. */
export type SpiffeId = string & { readonly [spiffeIdBrand]: true }

/** SPIFFE-ID §2.3. IDs are ASCII, so that characters are bytes. */
const MAX_SPIFFE_ID_BYTES = 2048
const MAX_TRUST_DOMAIN_BYTES = 255

const PREFIX = 'spiffe://'
const SLASH = 0x2f
const DOT = 0x2e

// SPIFFE-ID §2.1 and §2.2: what may stand in a trust domain name, and in a path segment.
const NAME = 1
const SEGMENT = 2
const characterClass = new Uint8Array(128)
for (const c of 'abcdefghijklmnopqrstuvwxyz0123456789.-_') {
  characterClass[c.charCodeAt(0)] = NAME | SEGMENT
}
for (const c of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') characterClass[c.charCodeAt(0)] = SEGMENT

interface Fault {
  readonly reason: string
  readonly message: string
  readonly fix?: string
}

const SCHEME: Fault = {
  reason: 'spiffe-id-scheme',
  message: 'a SPIFFE ID starts with spiffe://',
  fix: 'write it as spiffe://<trust domain>/<path>, in lower case up to the path',
}
const TOO_LONG: Fault = {
  reason: 'spiffe-id-too-long',
  message: `a SPIFFE ID has at most ${MAX_SPIFFE_ID_BYTES} bytes`,
}
const NAME_EMPTY: Fault = {
  reason: 'trust-domain-empty',
  message: 'the trust domain name is missing',
}
const NAME_TOO_LONG: Fault = {
  reason: 'trust-domain-too-long',
  message: `a trust domain name has at most ${MAX_TRUST_DOMAIN_BYTES} bytes`,
}
const NAME_CHARACTER: Fault = {
  reason: 'trust-domain-character',
  message: 'a trust domain name holds only a-z, 0-9, dot, dash and underscore',
  fix: 'write it in lower case, without user, port or percent-encoding',
}
const PATH_START: Fault = {
  reason: 'spiffe-id-path-start',
  message: 'the path of a SPIFFE ID is empty or starts with a slash',
}
const PATH_CHARACTER: Fault = {
  reason: 'spiffe-id-path-character',
  message: 'the path of a SPIFFE ID holds only letters, digits, dot, dash, underscore and slash',
}
const PATH_EMPTY_SEGMENT: Fault = {
  reason: 'spiffe-id-path-empty-segment',
  message: 'the path of a SPIFFE ID has no empty segment',
}
const PATH_TRAILING_SLASH: Fault = {
  reason: 'spiffe-id-path-trailing-slash',
  message: 'the path of a SPIFFE ID does not end with a slash',
}
const PATH_DOT_SEGMENT: Fault = {
  reason: 'spiffe-id-path-dot-segment',
  message: 'the path of a SPIFFE ID has no . or .. segment',
}

/** What is wrong with `text[from, to)` as a trust domain name. */
function nameFault(text: string, from: number, to: number): Fault | undefined {
  if (from === to) return NAME_EMPTY
  if (to - from > MAX_TRUST_DOMAIN_BYTES) return NAME_TOO_LONG
  for (let i = from; i < to; i++) {
    if (((characterClass[text.charCodeAt(i)] ?? 0) & NAME) === 0) return NAME_CHARACTER
  }
  return undefined
}

/** What is wrong with `text[from, end)` as a path: empty, or `/segment` once or more. */
function pathFault(text: string, from: number): Fault | undefined {
  const end = text.length
  if (from === end) return undefined
  if (text.charCodeAt(from) !== SLASH) return PATH_START
  let start = from + 1
  let onlyDots = true
  for (let i = start; i < end; i++) {
    const c = text.charCodeAt(i)
    if (c === SLASH) {
      const fault = segmentFault(i - start, onlyDots)
      if (fault !== undefined) return fault
      start = i + 1
      onlyDots = true
    } else {
      if (((characterClass[c] ?? 0) & SEGMENT) === 0) return PATH_CHARACTER
      if (c !== DOT) onlyDots = false
    }
  }
  return start === end ? PATH_TRAILING_SLASH : segmentFault(end - start, onlyDots)
}

function segmentFault(length: number, onlyDots: boolean): Fault | undefined {
  if (length === 0) return PATH_EMPTY_SEGMENT
  return onlyDots && length <= 2 ? PATH_DOT_SEGMENT : undefined
}

function idFault(text: string): Fault | undefined {
  if (text.length > MAX_SPIFFE_ID_BYTES) return TOO_LONG
  if (!text.startsWith(PREFIX)) return SCHEME
  const slash = text.indexOf('/', PREFIX.length)
  const nameEnd = slash === -1 ? text.length : slash
  return nameFault(text, PREFIX.length, nameEnd) ?? pathFault(text, nameEnd)
}

function refuse(fault: Fault): never {
  throw new CountersignError('invalid', fault.message, { reason: fault.reason, fix: fault.fix })
}

/**
 * Trust domain names (SPIFFE-ID §2.1). Compared byte by byte: no case folding, no IDNA, no
 * difference between DNS names, addresses and anything else that fits the alphabet.
 */
export const TrustDomain: {
  /** `example.org`. Throws `invalid`, reasons `trust-domain-…`. */
  parse(name: string): TrustDomain
  tryParse(name: string): TrustDomain | undefined
  /** `example.org`, or a SPIFFE ID whose trust domain is taken. For what people type; throws `invalid`. */
  parseIdOrName(text: string): TrustDomain
  /** `spiffe://example.org`, the ID of the trust domain itself. */
  toId(trustDomain: TrustDomain): SpiffeId
} = {
  parse(name) {
    const fault = nameFault(name, 0, name.length)
    if (fault !== undefined) refuse(fault)
    return name as TrustDomain
  },
  tryParse(name) {
    return nameFault(name, 0, name.length) === undefined ? (name as TrustDomain) : undefined
  },
  parseIdOrName(text) {
    return text.startsWith(PREFIX)
      ? SpiffeId.trustDomainOf(SpiffeId.parse(text))
      : TrustDomain.parse(text)
  },
  toId(trustDomain) {
    return `${PREFIX}${trustDomain}` as SpiffeId
  },
}

/**
 * SPIFFE IDs (SPIFFE-ID §2), read from the raw string: a URL parser would fold dot segments,
 * percent-encoding and case. Upper case in scheme or trust domain is refused everywhere.
 */
export const SpiffeId: {
  /** `spiffe://example.org/web`. Throws `invalid`, reasons `spiffe-id-…` and `trust-domain-…`. */
  parse(text: string): SpiffeId
  tryParse(text: string): SpiffeId | undefined
  /** Joins a trust domain and a path, `''` or `/a/b`. Throws `invalid`, reasons `spiffe-id-…`. */
  of(trustDomain: TrustDomain, path: string): SpiffeId
  trustDomainOf(id: SpiffeId): TrustDomain
  /** `''` or `/a/b`. */
  pathOf(id: SpiffeId): string
} = {
  parse(text) {
    const fault = idFault(text)
    if (fault !== undefined) refuse(fault)
    return text as SpiffeId
  },
  tryParse(text) {
    return idFault(text) === undefined ? (text as SpiffeId) : undefined
  },
  of(trustDomain, path) {
    const text = `${PREFIX}${trustDomain}${path}`
    const fault =
      text.length > MAX_SPIFFE_ID_BYTES
        ? TOO_LONG
        : pathFault(text, PREFIX.length + trustDomain.length)
    if (fault !== undefined) refuse(fault)
    return text as SpiffeId
  },
  trustDomainOf(id) {
    const slash = id.indexOf('/', PREFIX.length)
    return (slash === -1 ? id.slice(PREFIX.length) : id.slice(PREFIX.length, slash)) as TrustDomain
  },
  pathOf(id) {
    const slash = id.indexOf('/', PREFIX.length)
    return slash === -1 ? '' : id.slice(slash)
  },
}

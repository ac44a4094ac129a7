import { CountersignError } from '../../../src/errors.ts'

/** Names and values in turn, as they came: what Node makes of them holds one value a name. */
export type RawHeaders = readonly string[]

const maxHeaders = 100

/** Of all that a caller sends only this reaches a vendor, and what the integration names. */
const forwarded: ReadonlySet<string> = new Set([
  'accept',
  'accept-language',
  'content-disposition',
  'content-language',
  'content-md5',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'prefer',
  'traceparent',
  'tracestate',
  'user-agent',
])

/** These say who asks, how the message is to be read, or that another method or path is meant; or would bring the key in parts. */
const never: ReadonlySet<string> = new Set([
  'accept-encoding',
  'authorization',
  'connection',
  'content-encoding',
  'content-length',
  'cookie',
  'cookie2',
  'dpop',
  'expect',
  'forwarded',
  'host',
  'http2-settings',
  'if-range',
  'keep-alive',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'workload-identity-token',
  'x-api-key',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
])

/** Whether an integration may name the header, lower case, to reach its vendor. */
export function isForwardable(name: string): boolean {
  return !never.has(name) && !/^(?:proxy-|sec-|x-forwarded-|x-real-|countersign-)/.test(name)
}

const framing: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Whether a vendor's key may be in this header, lower case: it says nothing of how the message is read. */
export function isForKey(name: string): boolean {
  return !framing.has(name)
}

/** What the framing of a request says of its body. */
export type BodyFraming =
  | { readonly kind: 'none' | 'chunked' }
  | { readonly kind: 'length'; readonly bytes: number }

/**
 * Refuses what two readers may take for two different messages, beyond what Node's parser refuses. Throws `invalid`:
 * `http-version`, `headers-many`, `host-count`, `host-other`, `framing`, `upgrade`, `expectation`, `body-unexpected`.
 */
export function checkHead(
  head: { readonly httpVersion: string; readonly method: string; readonly rawHeaders: RawHeaders },
  host: string,
): BodyFraming {
  const { rawHeaders } = head
  if (head.httpVersion !== '1.1') refuse('http-version', 'HTTP/1.1 is spoken here')
  if (rawHeaders.length > 2 * maxHeaders) refuse('headers-many', `more than ${maxHeaders} headers`)
  const hosts = valuesOf(rawHeaders, 'host')
  if (hosts.length !== 1) refuse('host-count', 'a request has one Host')
  if (hosts[0]?.toLowerCase() !== host) refuse('host-other', 'the Host is another than this')
  if (valuesOf(rawHeaders, 'upgrade').length > 0)
    refuse('upgrade', 'no other protocol is spoken here')
  if (valuesOf(rawHeaders, 'expect').some((value) => value.toLowerCase() !== '100-continue')) {
    refuse('expectation', 'this is not expected of anybody here')
  }
  const framing = framingOf(rawHeaders)
  if (framing.kind !== 'none' && (head.method === 'GET' || head.method === 'HEAD')) {
    refuse('body-unexpected', `a ${head.method} has no body`)
  }
  return framing
}

/** Throws `invalid` `body-too-large`. */
export function checkLength(framing: BodyFraming, maxBytes: number): void {
  if (framing.kind === 'length' && framing.bytes > maxBytes) tooLarge(maxBytes)
}

function framingOf(rawHeaders: RawHeaders): BodyFraming {
  const lengths = valuesOf(rawHeaders, 'content-length')
  const codings = valuesOf(rawHeaders, 'transfer-encoding')
  if (lengths.length > 1) refuse('framing', 'a request has one Content-Length')
  if (lengths.length > 0 && codings.length > 0) {
    refuse('framing', 'a request has Content-Length or Transfer-Encoding, not both')
  }
  if (codings.length > 0) {
    if (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked') {
      refuse('framing', 'the one transfer coding is chunked')
    }
    return { kind: 'chunked' }
  }
  const [length] = lengths
  if (length === undefined) return { kind: 'none' }
  if (!/^[0-9]{1,15}$/.test(length)) refuse('framing', 'the Content-Length is no number')
  return Number(length) === 0 ? { kind: 'none' } : { kind: 'length', bytes: Number(length) }
}

/** The headers for the vendor, without framing and key: each name once, values of one name joined. */
export function headersForVendor(
  rawHeaders: RawHeaders,
  named: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const listed = connectionOptions(rawHeaders)
  const headers = new Map<string, string>()
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? ''
    if (!(forwarded.has(name) || named.has(name)) || listed.has(name)) continue
    const before = headers.get(name)
    const value = rawHeaders[at + 1] ?? ''
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return headers
}

/** What `Connection` lists is for the next hop alone (RFC 9110 §7.6.1). */
export function connectionOptions(rawHeaders: RawHeaders): ReadonlySet<string> {
  return new Set(
    valuesOf(rawHeaders, 'connection').flatMap((value) =>
      value.split(',').map((option) => option.trim().toLowerCase()),
    ),
  )
}

export function valuesOf(rawHeaders: RawHeaders, name: string): readonly string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name)
}

export function tooLarge(maxBytes: number): never {
  throw new CountersignError('invalid', `a body has at most ${maxBytes} bytes here`, {
    reason: 'body-too-large',
  })
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}

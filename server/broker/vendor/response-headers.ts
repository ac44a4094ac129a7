import { CountersignError } from '../../../src/errors.ts'
import { connectionOptions, type RawHeaders, valuesOf } from './request-headers.ts'
import { scrubText } from './scrubber.ts'

/** For this hop alone, credentials of the vendor's own, or about the vendor's name, under which no caller reaches it. */
const kept: ReadonlySet<string> = new Set([
  'alt-svc',
  'authentication-info',
  'connection',
  'content-encoding',
  'content-length',
  'keep-alive',
  'set-cookie',
  'set-cookie2',
  'strict-transport-security',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'www-authenticate',
])

export interface VendorHead {
  readonly statusCode: number
  readonly rawHeaders: RawHeaders
}

/**
 * Refuses an answer in which the key could not be seen. Throws `unavailable`: `vendor-encoding`, `vendor-framing`,
 * `vendor-too-large`, `vendor-status`.
 */
export function checkVendorHead(
  { statusCode, rawHeaders }: VendorHead,
  method: string,
  maxBytes: number,
): void {
  if (statusCode < 200 || statusCode > 599)
    refuse('vendor-status', 'the vendor’s status is unsound')
  // Of a part of something, asked for often enough, each piece could hold half of the key.
  if (statusCode === 206) refuse('vendor-status', 'the vendor sent a part that nobody asked for')
  const encodings = valuesOf(rawHeaders, 'content-encoding')
  if (encodings.some((value) => value.trim() !== '' && value.trim().toLowerCase() !== 'identity')) {
    refuse('vendor-encoding', 'the vendor’s answer is compressed, which was not asked for')
  }
  const codings = valuesOf(rawHeaders, 'transfer-encoding')
  if (codings.length > 1 || (codings[0] ?? 'chunked').trim().toLowerCase() !== 'chunked') {
    refuse('vendor-framing', 'the vendor’s answer is in a transfer coding that was not asked for')
  }
  // Of HEAD and 304 it is that of a body which does not come (RFC 9110 §8.6).
  const hasBody = method !== 'HEAD' && statusCode !== 304
  const [length = '0'] = valuesOf(rawHeaders, 'content-length')
  if (hasBody && Number(length) > maxBytes)
    refuse('vendor-too-large', 'the vendor’s answer is too large')
}

/** Names and values in turn, for the caller, with stars in the place of the key. */
export function headersForCaller(
  { rawHeaders }: VendorHead,
  forms: readonly Buffer[],
): readonly string[] {
  const listed = connectionOptions(rawHeaders)
  const headers: string[] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    const lower = name.toLowerCase()
    if (kept.has(lower) || listed.has(lower) || /^(?:proxy-|countersign-)/.test(lower)) continue
    // A name has no place for stars.
    if (scrubText(name, forms) !== name) continue
    headers.push(name, scrubText(rawHeaders[at + 1] ?? '', forms))
  }
  return headers
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unavailable', message, { reason })
}

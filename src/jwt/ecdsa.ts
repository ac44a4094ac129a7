import { CountersignError } from '../errors.ts'
import { TAG } from '../x509/der.ts'

/**
 * ECDSA-Sig-Value, DER, to r || s of exactly `coordinateBytes` each (RFC 7518 §3.4). Signers answer
 * with DER, and on Node 24 a bare KeyObject and this are twice as fast as `dsaEncoding`.
 * Throws `internal`, reason `signature-malformed`: the signer is ours.
 */
export function derToP1363(der: Buffer, coordinateBytes: number): Buffer {
  const signature = Buffer.alloc(coordinateBytes * 2)
  // A length of more than 127 takes a byte more, which says so.
  const start = (der[1] ?? 0) === 0x81 ? 3 : 2
  const length = der[start - 1] ?? 0
  const isLong = length > 127
  if (der[0] !== TAG.sequence || isLong !== (start === 3) || der.length !== start + length) {
    malformed()
  }
  const middle = place(der, start, signature, coordinateBytes, 0)
  if (place(der, middle, signature, coordinateBytes, coordinateBytes) !== der.length) malformed()
  return signature
}

/** The INTEGER at `at`, right-aligned, without the zero byte that keeps it positive. Answers where it ends. */
function place(der: Buffer, at: number, into: Buffer, bytes: number, from: number): number {
  const end = at + 2 + (der[at + 1] ?? 0)
  const isPadded = der[at + 2] === 0
  const digits = at + 2 + Number(isPadded)
  const first = der[digits] ?? 0
  const isShortest = isPadded ? first >= 0x80 : first < 0x80
  if (der[at] !== TAG.integer || end > der.length || digits >= end || !isShortest) malformed()
  if (end - digits > bytes) malformed()
  der.copy(into, from + bytes - (end - digits), digits, end)
  return end
}

function malformed(): never {
  throw new CountersignError('internal', 'the signer answered with a malformed signature', {
    reason: 'signature-malformed',
  })
}

/** r || s to ECDSA-Sig-Value, DER. A curve of at most 256 bits, so that each length takes one byte. */
export function p1363ToDer(signature: Buffer): Buffer {
  const half = signature.length / 2
  // Each number may take a byte for its tag, its length and its sign.
  const der = Buffer.allocUnsafe(2 + 2 * (3 + half))
  const behindR = writeInteger(der, 2, signature, 0, half)
  const end = writeInteger(der, behindR, signature, half, signature.length)
  der[0] = TAG.sequence
  der[1] = end - 2
  return der.subarray(0, end)
}

/** DER, as short as it gets, and never negative, of the digits up to `end`. The result: where the next one goes. */
function writeInteger(der: Buffer, at: number, digits: Buffer, start: number, end: number): number {
  let first = start
  while (first < end - 1 && digits[first] === 0) first += 1
  const sign = (digits[first] ?? 0) >= 0x80 ? 1 : 0
  der[at] = TAG.integer
  der[at + 1] = sign + end - first
  der[at + 2] = 0
  return at + 2 + sign + digits.copy(der, at + 2 + sign, first, end)
}

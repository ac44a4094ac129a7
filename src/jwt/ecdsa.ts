import { CountersignError } from '../errors.ts'
import { DerReader, TAG } from '../x509/der.ts'

/**
 * ECDSA-Sig-Value, DER, to r || s of exactly `coordinateBytes` each (RFC 7518 §3.4). Signers answer
 * with DER, and on Node 24 a bare KeyObject and this are twice as fast as `dsaEncoding`.
 * Throws `internal`, reason `signature-malformed`: the signer is ours.
 */
export function derToP1363(der: Buffer, coordinateBytes: number): Buffer {
  try {
    const outer = new DerReader(der)
    const pair = outer.read(TAG.sequence)
    const signature = Buffer.alloc(coordinateBytes * 2)
    place(pair.readInteger(), signature.subarray(0, coordinateBytes))
    place(pair.readInteger(), signature.subarray(coordinateBytes))
    pair.finish()
    outer.finish()
    return signature
  } catch (cause) {
    throw new CountersignError('internal', 'the signer answered with a malformed signature', {
      reason: 'signature-malformed',
      cause,
    })
  }
}

/** Right-aligned, without the zero byte that keeps a DER integer positive. */
function place(content: Buffer, into: Buffer): void {
  const digits = content[0] === 0 ? content.subarray(1) : content
  if ((content[0] ?? 0x80) >= 0x80 || digits.length === 0 || digits.length > into.length) {
    throw new RangeError('a coordinate out of range')
  }
  digits.copy(into, into.length - digits.length)
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

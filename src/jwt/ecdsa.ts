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
  const [r, s] = [signature.subarray(0, half), signature.subarray(half)].map(integerOf) as [
    Buffer,
    Buffer,
  ]
  return Buffer.concat([Buffer.of(TAG.sequence, r.length + s.length), r, s])
}

/** DER, as short as it gets, and never negative. */
function integerOf(digits: Buffer): Buffer {
  let first = 0
  while (first < digits.length - 1 && digits[first] === 0) first += 1
  const number = digits.subarray(first)
  const zeros = (number[0] ?? 0) >= 0x80 ? [0] : []
  return Buffer.of(TAG.integer, zeros.length + number.length, ...zeros, ...number)
}

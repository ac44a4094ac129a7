import type { asn1 as Asn1 } from 'node-forge'
// The writer alone: forge's parsers of keys and certificates and its RSA are never loaded.
import asn1 from 'node-forge/lib/asn1.js'

// Each function returns one complete DER element. Values of our own making only: what came from
// outside is carried byte for byte, never decoded and encoded again.

const { Class, Type } = asn1

function primitive(type: Asn1.Type, content: Uint8Array): Buffer {
  const value = Buffer.from(content).toString('latin1')
  const element = asn1.create(Class.UNIVERSAL, type, false, value)
  return Buffer.from(asn1.toDer(element).getBytes(), 'latin1')
}

const oids = new Map<string, Buffer>()

/** An object identifier from dotted text, one of the few of this program. */
export function oid(dotted: string): Buffer {
  let encoded = oids.get(dotted)
  if (encoded === undefined) {
    encoded = primitive(Type.OID, Buffer.from(asn1.oidToDer(dotted).getBytes(), 'latin1'))
    oids.set(dotted, encoded)
  }
  return encoded
}

/** Before the digits of a positive number whose first bit is set. */
const SIGN = Buffer.of(0)

/** A positive integer, or zero, given big-endian. */
export function integer(bigEndian: Uint8Array): Buffer {
  let start = 0
  while (start < bigEndian.length - 1 && bigEndian[start] === 0) start++
  const digits = bigEndian.subarray(start)
  return (digits[0] ?? 0x80) >= 0x80 ? element(0x02, SIGN, digits) : element(0x02, digits)
}

export function boolean(value: boolean): Buffer {
  return primitive(Type.BOOLEAN, Buffer.of(value ? 0xff : 0))
}

export function derNull(): Buffer {
  return primitive(Type.NULL, Buffer.alloc(0))
}

export function printableString(text: string): Buffer {
  return primitive(Type.PRINTABLESTRING, Buffer.from(text, 'latin1'))
}

export function utf8String(text: string): Buffer {
  return primitive(Type.UTF8, Buffer.from(text, 'utf8'))
}

/** RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime after that. Whole seconds; the rest is cut. */
export function time(instant: Date): Buffer {
  const year = instant.getUTCFullYear()
  const iso = instant.toISOString()
  const rest = `${iso.slice(5, 7)}${iso.slice(8, 10)}${iso.slice(11, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`
  return year >= 1950 && year < 2050
    ? element(0x17, Buffer.from(`${iso.slice(2, 4)}${rest}`, 'latin1'))
    : element(0x18, Buffer.from(`${iso.slice(0, 4)}${rest}`, 'latin1'))
}

export function octetString(content: Uint8Array): Buffer {
  return element(0x04, content)
}

export function bitString(content: Uint8Array, unusedBits = 0): Buffer {
  return element(0x03, Buffer.of(unusedBits), content)
}

export function sequence(...items: readonly Uint8Array[]): Buffer {
  return element(0x30, ...items)
}

export function set(...items: readonly Uint8Array[]): Buffer {
  return element(0x31, ...items)
}

/** Any tag of one byte around content octets: the fast way, for what is written with every leaf. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  let length = 0
  for (const content of contents) length += content.length
  const lengthBytes = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3
  const out = Buffer.allocUnsafe(2 + lengthBytes + length)
  out[0] = tag
  if (lengthBytes === 0) {
    out[1] = length
  } else {
    out[1] = 0x80 | lengthBytes
    out.writeUIntBE(length, 2, lengthBytes)
  }
  let at = 2 + lengthBytes
  for (const content of contents) {
    out.set(content, at)
    at += content.length
  }
  return out
}

import { CountersignError } from '../errors.ts'
import { oid } from './der-write.ts'
import { OID } from './oids.ts'

// A strict reader of DER (X.690 §10 and §11). It refuses what other readers forgive, so that two
// programs cannot see two meanings in one document.

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

const CONSTRUCTED = 0x20
const MAX_DEPTH = 16

export function malformed(what: string): CountersignError {
  return new CountersignError('invalid', `malformed DER: ${what}`, { reason: 'der-malformed' })
}

/** Reads the elements of `bytes[at, end)` one after the other. */
export class DerReader {
  readonly bytes: Buffer
  /** Where the next element begins. */
  at: number
  readonly end: number

  constructor(bytes: Buffer, at = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  get done(): boolean {
    return this.at === this.end
  }

  /** The tag of the next element, or -1 at the end. */
  peek(): number {
    return this.at < this.end ? (this.bytes[this.at] ?? -1) : -1
  }

  /** The content of the next element, which must have this tag. */
  read(tag: number): DerReader {
    if (this.peek() !== tag) throw malformed('unexpected element')
    const bodyAt = headerEnd(this.bytes, this.at, this.end)
    const bodyEnd = bodyAt + bodyLength(this.bytes, this.at)
    this.at = bodyEnd
    return new DerReader(this.bytes, bodyAt, bodyEnd)
  }

  /** The content of the next element where it has this tag. */
  maybe(tag: number): DerReader | undefined {
    return this.peek() === tag ? this.read(tag) : undefined
  }

  /** The next element whole, header included; any tag, or this one. */
  whole(tag: number = this.peek()): Buffer {
    const from = this.at
    this.read(tag)
    return this.bytes.subarray(from, this.at)
  }

  /** Throws unless all was read. */
  finish(): void {
    if (!this.done) throw malformed('trailing bytes')
  }

  /** The content octets, as they are. */
  content(): Buffer {
    return this.bytes.subarray(this.at, this.end)
  }

  readBoolean(): boolean {
    return readBoolean(this.read(TAG.boolean).content())
  }

  /** Content octets of an INTEGER: minimal, at least one. */
  readInteger(): Buffer {
    const content = this.read(TAG.integer).content()
    checkInteger(content)
    return content
  }

  /** An INTEGER from 0 to 2^31 - 1. */
  readSmallInteger(): number {
    const content = this.readInteger()
    if ((content[0] ?? 0x80) >= 0x80 || content.length > 4) throw malformed('integer out of range')
    return content.readUIntBE(0, content.length)
  }

  /** The octets of a BIT STRING of whole octets. */
  readOctetBitString(): Buffer {
    const content = this.read(TAG.bitString).content()
    if (content[0] !== 0) throw malformed('bit string with unused bits')
    return content.subarray(1)
  }

  /** Dotted text of an OBJECT IDENTIFIER. */
  readOid(): string {
    const content = this.read(TAG.oid).content()
    return known.get(content.toString('latin1')) ?? dottedOid(content)
  }
}

// Object identifiers by their content octets, so that those of every certificate are not spelled out anew.
const known: ReadonlyMap<string, string> = new Map(
  Object.values(OID).map((dotted) => [oid(dotted).toString('latin1', 2), dotted]),
)

/** Where the content of the element at `at` begins; checks tag and length of its header. */
function headerEnd(bytes: Buffer, at: number, end: number): number {
  if (end - at < 2) throw malformed('cut short')
  if (((bytes[at] ?? 0) & 0x1f) === 0x1f) throw malformed('tag of more than one byte')
  const first = bytes[at + 1] ?? 0
  let bodyAt = at + 2
  let length = first
  if (first >= 0x80) {
    const count = first - 0x80
    if (count === 0) throw malformed('indefinite length')
    if (count > 3) throw malformed('too long')
    bodyAt += count
    if (bodyAt > end) throw malformed('cut short')
    length = bytes.readUIntBE(at + 2, count)
    if (length < 0x80 || length < 1 << (8 * (count - 1))) throw malformed('length not minimal')
  }
  if (length > end - bodyAt) throw malformed('cut short')
  return bodyAt
}

/** Call after `headerEnd` found the header sound. */
function bodyLength(bytes: Buffer, at: number): number {
  const first = bytes[at + 1] ?? 0
  return first < 0x80 ? first : bytes.readUIntBE(at + 2, first - 0x80)
}

function readBoolean(content: Buffer): boolean {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) {
    throw malformed('boolean other than 00 or FF')
  }
  return content[0] === 0xff
}

function checkInteger(content: Buffer): void {
  const first = content[0]
  if (first === undefined) throw malformed('empty integer')
  const second = content[1]
  if (second === undefined) return
  if ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)) {
    throw malformed('integer not minimal')
  }
}

function checkBitString(content: Buffer): void {
  const unused = content[0]
  if (unused === undefined || unused > 7) throw malformed('bit string without its first octet')
  const last = content[content.length - 1] ?? 0
  if (unused > 0 && (content.length === 1 || (last & ((1 << unused) - 1)) !== 0)) {
    throw malformed('bit string with bits set past its end')
  }
}

const MAX_OID_BYTES = 64

/** Arcs of any size: they are text here, and no program's integer cuts them. */
export function dottedOid(content: Buffer): string {
  if (content.length === 0 || content.length > MAX_OID_BYTES) throw malformed('object identifier')
  const arcs: bigint[] = []
  let arc = 0n
  let fresh = true
  for (const octet of content) {
    if (fresh && octet === 0x80) throw malformed('object identifier not minimal')
    arc = (arc << 7n) | BigInt(octet & 0x7f)
    fresh = octet < 0x80
    if (fresh) {
      arcs.push(arc)
      arc = 0n
    }
  }
  if (!fresh) throw malformed('object identifier cut short')
  const [first = 0n, ...rest] = arcs
  const root = first < 40n ? 0n : first < 80n ? 1n : 2n
  return [root, first - root * 40n, ...rest].join('.')
}

/**
 * Checks that `bytes` are exactly one element, and DER all the way down, also where nothing else
 * reads: lengths, nesting of at most 16, the octets of each universal type. Throws `invalid`,
 * reason `der-malformed`.
 */
export function checkDer(bytes: Buffer): void {
  const ends: number[] = []
  let at = 0
  let end = bytes.length
  do {
    const tag = bytes[at] ?? 0
    const bodyAt = headerEnd(bytes, at, end)
    const bodyEnd = bodyAt + bodyLength(bytes, at)
    if (ends.length === 0 && bodyEnd !== bytes.length) throw malformed('trailing bytes')
    if ((tag & CONSTRUCTED) !== 0) {
      if (tag < 0x40 && tag !== TAG.sequence && tag !== TAG.set) {
        throw malformed('string in pieces')
      }
      if (ends.length === MAX_DEPTH) throw malformed('nested too deep')
      ends.push(end)
      end = bodyEnd
      at = bodyAt
    } else {
      checkPrimitive(tag, bytes, bodyAt, bodyEnd)
      at = bodyEnd
    }
    while (at === end && ends.length > 0) end = ends.pop() ?? end
  } while (at < end)
}

function checkPrimitive(tag: number, bytes: Buffer, from: number, to: number): void {
  switch (tag) {
    case TAG.boolean:
      readBoolean(bytes.subarray(from, to))
      return
    case TAG.integer:
      checkInteger(bytes.subarray(from, to))
      return
    case TAG.bitString:
      checkBitString(bytes.subarray(from, to))
      return
    case TAG.null:
      if (from !== to) throw malformed('null with content')
      return
    case 0x00:
    case 0x10:
    case 0x11:
      throw malformed('unexpected element')
  }
}

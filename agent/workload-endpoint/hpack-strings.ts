/**
 * Walks HPACK header blocks (RFC 7541 §6) far enough to find where the value of `:authority` stands.
 * No dynamic table is needed: an entry that is repeated by index holds what was put into it, which
 * has been seen here before.
 */
export interface HpackString {
  readonly start: number
  readonly end: number
  readonly huffman: boolean
}

/** RFC 7541, appendix A. */
const authorityIndex = 1
const authorityName = Buffer.from(':authority', 'latin1')
/** The same in Huffman code: b8 3b 53 39 ec 32 7d 7f. */
const authorityNameHuffman = Buffer.from('b83b5339ec327d7f', 'hex')

/** Where literal values of `:authority` stand in the block. Stops quietly at what is malformed. */
export function authorityValues(block: Buffer): HpackString[] {
  const found: HpackString[] = []
  let at = 0
  while (at < block.length) {
    const first = block[at] ?? 0
    if ((first & 0x80) !== 0) {
      const index = readInteger(block, at, 7)
      if (index === undefined) break
      at = index.next
    } else if ((first & 0xe0) === 0x20) {
      const size = readInteger(block, at, 5)
      if (size === undefined) break
      at = size.next
    } else {
      const literal = readLiteral(block, at, (first & 0x40) !== 0 ? 6 : 4)
      if (literal === undefined) break
      if (literal.isAuthority) found.push(literal.value)
      at = literal.value.end
    }
  }
  return found
}

function readLiteral(
  block: Buffer,
  at: number,
  prefixBits: number,
): { isAuthority: boolean; value: HpackString } | undefined {
  const index = readInteger(block, at, prefixBits)
  if (index === undefined) return undefined
  let isAuthority = index.value === authorityIndex
  let next = index.next
  if (index.value === 0) {
    const name = readString(block, next)
    if (name === undefined) return undefined
    const expected = name.huffman ? authorityNameHuffman : authorityName
    isAuthority = block.subarray(name.start, name.end).equals(expected)
    next = name.end
  }
  const value = readString(block, next)
  return value && { isAuthority, value }
}

function readString(block: Buffer, at: number): HpackString | undefined {
  const length = readInteger(block, at, 7)
  if (length === undefined) return undefined
  const end = length.next + length.value
  if (end > block.length) return undefined
  return { start: length.next, end, huffman: ((block[at] ?? 0) & 0x80) !== 0 }
}

/** RFC 7541 §5.1; five octets are more than any length here needs. */
function readInteger(
  block: Buffer,
  at: number,
  prefixBits: number,
): { value: number; next: number } | undefined {
  const first = block[at]
  if (first === undefined) return undefined
  const mask = (1 << prefixBits) - 1
  let value = first & mask
  let next = at + 1
  if (value < mask) return { value, next }
  for (let shift = 0; shift <= 21; shift += 7) {
    const octet = block[next]
    if (octet === undefined) return undefined
    next += 1
    value += (octet & 0x7f) << shift
    if ((octet & 0x80) === 0) return { value, next }
  }
  return undefined
}

/** RFC 7541, appendix B: the ASCII characters by length of their code, each row in order of codes. */
const codeRows: readonly (readonly [bits: number, characters: string])[] = [
  [5, '012aceiost'],
  [6, ' %-./3456789=A_bdfghlmnpru'],
  [7, ':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz'],
  [8, '&*,;XZ'],
  [10, '!"()?'],
  [11, "'+|"],
  [12, '#>'],
  [13, '\0$@[]~'],
  [14, '^}'],
  [15, '<`{'],
]

const characterOfCode = new Map<number, string>()
const longestCode = 15
const slash = { bits: 6, dash: 0b010110 }

let code = 0
let codeBits = 5
for (const [bits, characters] of codeRows) {
  code <<= bits - codeBits
  codeBits = bits
  for (const character of characters) {
    // The leading 1 keeps codes of different lengths apart.
    characterOfCode.set((1 << bits) | code, character)
    code += 1
  }
}

/**
 * Puts a dash in the place of every character that Node's HTTP/2 refuses in `:authority`. The dash
 * is as long as a slash or a blank also in Huffman code, so that nothing moves, and both ends' tables
 * stay the same size. Of Huffman-coded values only slashes and blanks are replaced.
 */
export function mendAuthority(block: Buffer, value: HpackString): boolean {
  return value.huffman ? mendHuffman(block, value) : mendPlain(block, value)
}

function mendPlain(block: Buffer, { start, end }: HpackString): boolean {
  let mended = false
  for (let at = start; at < end; at += 1) {
    if (allowedInAuthority(block[at] ?? 0)) continue
    block[at] = 0x2d
    mended = true
  }
  return mended
}

const allowedCharacters = new Set(Buffer.from("!$%&'()*+,-.:;=[]_~", 'latin1').values())

/** RFC 3986 §3.2 less the at sign: what nghttp2 lets pass. */
function allowedInAuthority(byte: number): boolean {
  const isDigit = byte >= 0x30 && byte <= 0x39
  const isLetter = (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a)
  return isDigit || isLetter || allowedCharacters.has(byte)
}

function mendHuffman(block: Buffer, { start, end }: HpackString): boolean {
  let mended = false
  let bits = 0
  let read = 1
  for (let at = start * 8; at < end * 8; at += 1) {
    read = (read << 1) | bitAt(block, at)
    bits += 1
    const character = characterOfCode.get(read)
    if (character === '/' || character === ' ') {
      for (let bit = 0; bit < slash.bits; bit += 1) {
        setBit(block, at - slash.bits + 1 + bit, (slash.dash >> (slash.bits - 1 - bit)) & 1)
      }
      mended = true
    }
    if (character !== undefined) {
      bits = 0
      read = 1
    } else if (bits > longestCode) {
      break
    }
  }
  return mended
}

function bitAt(block: Buffer, at: number): number {
  return ((block[at >> 3] ?? 0) >> (7 - (at & 7))) & 1
}

function setBit(block: Buffer, at: number, bit: number): void {
  const mask = 0x80 >> (at & 7)
  const byte = block[at >> 3] ?? 0
  block[at >> 3] = bit === 1 ? byte | mask : byte & ~mask
}

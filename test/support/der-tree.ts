import fc from 'fast-check'
import { element } from '../../src/x509/der-write.ts'
import { share } from './share.ts'

/** An element of DER that can be taken apart, changed and put together again. */
export interface DerNode {
  tag: number
  /** What is in it: its elements, or its octets. */
  inside: DerNode[] | Buffer
  /** The header as it is to stand, wrong where it is meant to be; otherwise the right one. */
  header?: Buffer
}

/** Takes an element apart, and what octet strings hold where that is DER. Throws RangeError where it is no element. */
export function derTree(bytes: Buffer): DerNode {
  const [node, end] = readNode(bytes, 0)
  if (end !== bytes.length) throw new RangeError('bytes behind the element')
  return node
}

function readNode(bytes: Buffer, at: number): [DerNode, number] {
  const tag = bytes.readUInt8(at)
  const first = bytes.readUInt8(at + 1)
  const many = first < 0x80 ? 0 : first - 0x80
  const length = many === 0 ? first : bytes.readUIntBE(at + 2, many)
  const from = at + 2 + many
  const end = from + length
  if (end > bytes.length) throw new RangeError('cut short')
  return [{ tag, inside: readInside(tag, bytes.subarray(from, end)) }, end]
}

function readInside(tag: number, content: Buffer): DerNode[] | Buffer {
  if ((tag & 0x20) === 0 && tag !== 0x04) return content
  const nodes: DerNode[] = []
  try {
    for (let at = 0; at < content.length; ) {
      const [node, end] = readNode(content, at)
      nodes.push(node)
      at = end
    }
  } catch (error) {
    // What is unsound inside is octets.
    if (error instanceof RangeError) return content
    throw error
  }
  return nodes
}

export function derBytes(node: DerNode): Buffer {
  const content = Array.isArray(node.inside)
    ? Buffer.concat(node.inside.map(derBytes))
    : node.inside
  return node.header === undefined
    ? element(node.tag, content)
    : Buffer.concat([node.header, content])
}

/** One change somewhere in a tree: `at` is a share of its elements. */
export interface DerEdit {
  readonly at: number
  readonly what:
    | 'drop'
    | 'twice'
    | 'swap'
    | 'tag'
    | 'octet'
    | 'cut'
    | 'append'
    | 'empty'
    | 'replace'
    | 'long-length'
    | 'indefinite'
  readonly octet: number
  readonly content: Uint8Array
}

export const derEdit: fc.Arbitrary<DerEdit> = fc.record({
  at: share,
  what: fc.constantFrom<DerEdit['what'][]>(
    ...(['drop', 'twice', 'swap', 'tag', 'octet', 'cut', 'append'] as const),
    ...(['empty', 'replace', 'long-length', 'indefinite'] as const),
  ),
  octet: fc.oneof(
    fc.nat({ max: 255 }),
    fc.constantFrom(...[0, 1, 2, 3, 4, 5, 6, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x30, 0x31]),
    fc.constantFrom(...[0x80, 0x81, 0x82, 0x86, 0x87, 0xa0, 0xa1, 0xa3, 0xff]),
  ),
  content: fc.uint8Array({ maxLength: 12 }),
})

/** The tree with the edits made, one after the other. The tree that was given stays as it was. */
export function edited(tree: DerNode, edits: readonly DerEdit[]): DerNode {
  const copy = structuredCopy(tree)
  for (const edit of edits) {
    const places = placesIn(copy)
    const place = places[Math.floor(edit.at * places.length)]
    if (place !== undefined) make(edit, place)
  }
  return copy
}

function structuredCopy(node: DerNode): DerNode {
  return {
    ...node,
    inside: Array.isArray(node.inside) ? node.inside.map(structuredCopy) : node.inside,
  }
}

interface Place {
  readonly among: DerNode[]
  readonly index: number
  readonly node: DerNode
}

function placesIn(tree: DerNode): Place[] {
  const { inside } = tree
  if (!Array.isArray(inside)) return []
  return inside.flatMap((node, index) => [{ among: inside, index, node }, ...placesIn(node)])
}

function make(edit: DerEdit, { among, index, node }: Place): void {
  const content = (): Buffer =>
    Array.isArray(node.inside) ? Buffer.concat(node.inside.map(derBytes)) : Buffer.from(node.inside)
  switch (edit.what) {
    case 'drop':
      among.splice(index, 1)
      return
    case 'twice':
      among.splice(index, 0, structuredCopy(node))
      return
    case 'swap':
      among.splice(index, 1)
      among.splice((index + 1) % (among.length + 1), 0, node)
      return
    case 'tag':
      node.tag = edit.octet
      return
    case 'octet': {
      const bytes = content()
      if (bytes.length > 0) bytes[Math.floor(edit.at * bytes.length)] = edit.octet
      node.inside = bytes
      return
    }
    case 'cut':
      node.inside = content().subarray(0, -1)
      return
    case 'append':
      node.inside = Buffer.concat([content(), Buffer.of(edit.octet)])
      return
    case 'empty':
      node.inside = Buffer.alloc(0)
      return
    case 'replace':
      node.inside = Buffer.from(edit.content)
      return
    case 'long-length': {
      const { length } = content()
      node.header = Buffer.of(node.tag, 0x83, length >> 16, length >> 8, length)
      return
    }
    case 'indefinite':
      node.header = Buffer.of(node.tag, 0x80)
      node.inside = Buffer.concat([content(), Buffer.alloc(2)])
      return
  }
}

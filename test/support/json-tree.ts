import fc from 'fast-check'
import { share } from './share.ts'

/** A value of JSON that can be changed, and need not be sound: a member may be there twice. */
export interface JsonNode {
  /** What is in it: its elements, its members (as their names are written), or its own text. */
  inside: JsonNode[] | Member[] | string
  kind: 'array' | 'object' | 'plain'
}

interface Member {
  name: string
  value: JsonNode
}

/** Of what `JSON.parse` answers. */
export function jsonTree(value: unknown): JsonNode {
  if (Array.isArray(value)) return { kind: 'array', inside: value.map(jsonTree) }
  if (typeof value !== 'object' || value === null) {
    return { kind: 'plain', inside: JSON.stringify(value) }
  }
  const members = Object.entries(value).filter(([, one]) => one !== undefined)
  return {
    kind: 'object',
    inside: members.map(([name, one]) => ({ name: JSON.stringify(name), value: jsonTree(one) })),
  }
}

export function jsonText({ kind, inside }: JsonNode): string {
  if (kind === 'plain') return inside as string
  if (kind === 'array') return `[${(inside as JsonNode[]).map(jsonText).join(',')}]`
  const members = inside as Member[]
  return `{${members.map(({ name, value }) => `${name}:${jsonText(value)}`).join(',')}}`
}

/** One change somewhere in a tree: `at` and `from` are shares of its values. */
export interface JsonEdit {
  readonly at: number
  readonly from: number
  readonly what: 'drop' | 'twice' | 'swap' | 'rename' | 'replace' | 'copy' | 'wrap' | 'number'
  readonly text: string
  readonly name: string
}

const oddNames = [
  '"__proto__"',
  '"constructor"',
  '""',
  '"a"',
  '"\\u0061"',
  '"toString"',
  '"\\ud800"',
]
const oddTexts = [
  ...['null', 'true', '""', '[]', '{}', '[null]', '[""]', '{"":""}', '"\\ud800"', '"a\\u0000b"'],
  ...['0', '1', '-1', '-0', '0.5', '1e400', '1e-400', '2e3', '253402300800', '8640000000001'],
  ...['9007199254740993', '1.0000000000000001', '"1"', '"é"', '"\\u2028"', `"${'a'.repeat(3000)}"`],
  ...['[]'.repeat(2), '01', '.1', "'a'", '[1,]', '{"a":1,}', `${'['.repeat(40)}${']'.repeat(40)}`],
]

/** `names` and `texts` are those worth a try beside the odd ones. */
export function jsonEdits(
  names: readonly string[] = [],
  texts: readonly string[] = [],
): fc.Arbitrary<JsonEdit[]> {
  const quoted = names.map((name) => JSON.stringify(name))
  const edit = fc.record({
    at: share,
    from: share,
    what: fc.constantFrom<JsonEdit['what'][]>(
      ...(['drop', 'twice', 'swap', 'rename', 'replace', 'replace'] as const),
      ...(['copy', 'wrap', 'number'] as const),
    ),
    text: fc.constantFrom(...oddTexts, ...texts, ...texts),
    name: fc.constantFrom(...oddNames, ...quoted, ...quoted),
  })
  return fc.array(edit, { minLength: 1, maxLength: 3 })
}

/** The tree with the edits made, one after the other. The tree that was given stays as it was. */
export function editedJson(tree: JsonNode, edits: readonly JsonEdit[]): JsonNode {
  const root = structuredClone(tree)
  for (const edit of edits) {
    const places = placesIn(root)
    const place = places[Math.floor(edit.at * places.length)]
    const other = places[Math.floor(edit.from * places.length)]
    if (place !== undefined && other !== undefined) make(edit, place, structuredClone(other.node))
  }
  return root
}

/** Values, half of them as they are, half with a few changes, as JSON. */
export function editedValues(
  values: fc.Arbitrary<unknown>,
  edits: fc.Arbitrary<JsonEdit[]> = jsonEdits(),
): fc.Arbitrary<string> {
  const changed = fc
    .tuple(values, edits)
    .map(([value, some]) => jsonText(editedJson(jsonTree(value), some)))
  return fc.oneof(
    { weight: 1, arbitrary: values.map((value) => JSON.stringify(value)) },
    { weight: 3, arbitrary: changed },
  )
}

interface Place {
  readonly among: (JsonNode | Member)[]
  readonly index: number
  readonly node: JsonNode
}

function placesIn({ inside }: JsonNode): Place[] {
  if (typeof inside === 'string') return []
  return inside.flatMap((one, index) => {
    const node = 'value' in one ? one.value : one
    return [{ among: inside, index, node }, ...placesIn(node)]
  })
}

function make(edit: JsonEdit, { among, index, node }: Place, other: JsonNode): void {
  const own = among[index] as JsonNode | Member
  switch (edit.what) {
    case 'drop':
      among.splice(index, 1)
      return
    case 'twice':
      among.splice(index, 0, structuredClone(own))
      return
    case 'swap':
      among.splice(index, 1)
      among.splice((index + 1) % (among.length + 1), 0, own)
      return
    case 'rename':
      if ('name' in own) own.name = edit.name
      return
    case 'replace':
      Object.assign(node, { kind: 'plain', inside: edit.text })
      return
    case 'copy':
      Object.assign(node, other)
      return
    case 'wrap':
      Object.assign(node, { kind: 'array', inside: [structuredClone(node)] })
      return
    case 'number': {
      const value = node.kind === 'plain' ? Number(node.inside) : Number.NaN
      if (Number.isFinite(value)) node.inside = String(value + (edit.from < 0.5 ? 1 : -1))
      return
    }
  }
}

import fc from 'fast-check'
import { share } from '../support/share.ts'

interface ByteEdit {
  readonly at: number
  readonly what: 'flip' | 'set' | 'insert' | 'remove' | 'repeat' | 'cut'
  readonly value: number
  readonly length: number
}

const edit: fc.Arbitrary<ByteEdit> = fc.record({
  at: share,
  what: fc.constantFrom('flip', 'set', 'set', 'insert', 'remove', 'repeat', 'cut'),
  value: fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
  length: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 1, max: 16 }) },
    fc.nat({ max: 5000 }),
  ),
})

function edited(bytes: Uint8Array, { at: place, what, value, length }: ByteEdit): Uint8Array {
  if (bytes.length === 0) return bytes
  const at = Math.floor(place * bytes.length)
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
  switch (what) {
    case 'flip':
      return bytes.with(at, (bytes[at] ?? 0) ^ (1 << (value & 7)))
    case 'set':
      return bytes.with(at, value)
    case 'insert':
      return Buffer.concat([head, Buffer.alloc(length, value), tail])
    case 'remove':
      return Buffer.concat([head, tail.subarray(length)])
    case 'repeat':
      return Buffer.concat([head, tail.subarray(0, length), tail])
    case 'cut':
      return head
  }
}

/** What `inputs` makes, now and then with some of its bytes changed, or any bytes at all. */
export function withByteEdits(inputs: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    { weight: 14, arbitrary: inputs },
    {
      weight: 5,
      arbitrary: fc
        .tuple(inputs, fc.array(edit, { minLength: 1, maxLength: 3 }))
        .map(([input, edits]) => edits.reduce(edited, input)),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  )
}

/** The same for text: UTF-8. */
export function withTextBytes(texts: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array> {
  return withByteEdits(texts.map((text) => Buffer.from(text)))
}

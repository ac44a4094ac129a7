import { expect, test } from 'vitest'
import { readTraceparent } from '../../../src/audit/traceparent.ts'

const trace = '0af7651916cd43dd8448eb211c80319c'
const parent = 'b7ad6b7169203331'

test('W3C Trace Context §3.2 a traceparent is taken as it is, of a later version what is known of it', () => {
  expect(readTraceparent(`00-${trace}-${parent}-01`)).toBe(`00-${trace}-${parent}-01`)
  expect(readTraceparent(`cc-${trace}-${parent}-01-what-comes`)).toBe(`cc-${trace}-${parent}-01`)
})

test.each([
  ['absent', undefined],
  ['there twice', [`00-${trace}-${parent}-01`, `00-${trace}-${parent}-01`]],
  ['joined of two', `00-${trace}-${parent}-01, 00-${trace}-${parent}-01`],
  ['of version ff', `ff-${trace}-${parent}-01`],
  ['longer than its version', `00-${trace}-${parent}-01-more`],
  ['in capitals', `00-${trace.toUpperCase()}-${parent}-01`],
  ['without a trace', `00-${'0'.repeat(32)}-${parent}-01`],
  ['without a parent', `00-${trace}-${'0'.repeat(16)}-01`],
  ['cut', `00-${trace}-${parent}`],
  ['huge', `cc-${trace}-${parent}-01-${'a'.repeat(600)}`],
  ['of two lines', `00-${trace}-${parent}-01\n`],
])('W3C Trace Context §3.2 a traceparent that is %s is not put on record', (_how, header) => {
  expect(readTraceparent(header)).toBeUndefined()
})

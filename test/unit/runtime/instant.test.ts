import { expect, test } from 'vitest'
import { parseInstant } from '../../../src/runtime/instant.ts'

test.for([
  ['2026-06-01', '2026-06-01T00:00:00.000Z'],
  ['2026-06-01T12:00:00Z', '2026-06-01T12:00:00.000Z'],
  ['2026-06-01T12:00:00.5+02:00', '2026-06-01T10:00:00.500Z'],
  ['2028-02-29', '2028-02-29T00:00:00.000Z'],
] as const)('%s is an instant', ([text, instant]) => {
  expect(parseInstant(text)?.toISOString()).toBe(instant)
})

test.for([
  ['a time without its zone', '2026-06-01T12:00:00'],
  ['nor seconds', '2026-06-01T12:00Z'],
  ['another way to write it', '2026-06-01 12:00:00Z'],
  ['what V8 takes for a remark', '2026-06-01 (first of June)'],
  ['a day that its month does not have', '2026-02-30'],
  ['nor this year', '2026-02-29T00:00:00Z'],
  ['a month that there is not', '2026-13-01'],
  ['an hour that there is not', '2026-06-01T25:00:00Z'],
  ['nothing', ''],
] as const)('%s is none (%s)', ([, text]) => {
  expect(parseInstant(text)).toBeUndefined()
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, parseDuration } from '../../../src/runtime/duration.ts'

const tenYears = 10 * 366 * 86_400

test('a duration is written in its largest unit, and read again it is the same', () => {
  expect([90, 3600, 34_560_000, 61].map(formatDuration)).toEqual(['90s', '1h', '400d', '61s'])
  fc.assert(
    fc.property(fc.integer({ min: 1, max: tenYears }), (seconds) => {
      expect(parseDuration(formatDuration(seconds))).toBe(seconds)
    }),
  )
})

test.each([
  ['1x', 'not a duration'],
  ['', 'not a duration'],
  ['0s', 'not from one second to ten years'],
  ['3661d', 'not from one second to ten years'],
])('%s is refused for what it is', (text, message) => {
  expect(() => parseDuration(text)).toThrow(message)
})

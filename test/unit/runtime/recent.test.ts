import { expect, test } from 'vitest'
import { Recent } from '../../../src/runtime/recent.ts'

test('keeps what was used last, and forgets what was not', () => {
  const recent = new Recent<string, number>(2)
  recent.set('a', 1)
  recent.set('b', 2)
  expect(recent.get('a')).toBe(1)
  recent.set('c', 3)
  expect([recent.get('a'), recent.get('b'), recent.get('c')]).toEqual([1, undefined, 3])
  recent.set('a', 4)
  recent.delete('c')
  expect([recent.get('a'), recent.get('c')]).toEqual([4, undefined])
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SharedMap } from '../../../../agent/cache/shared-map.ts'

test('does what a Map does, and leaves what it came from as it was', () => {
  const changes = fc.array(
    fc.tuple(fc.string({ maxLength: 2 }), fc.option(fc.nat(), { nil: undefined })),
  )
  fc.assert(
    fc.property(changes, changes, (first, second) => {
      const apply = (map: Map<string, number>, all: typeof first): Map<string, number> => {
        for (const [key, value] of all) {
          if (value === undefined) map.delete(key)
          else map.set(key, value)
        }
        return map
      }
      const before = SharedMap.of<number>().with(first)
      const after = before.with(second)
      const expected = apply(new Map(), first)
      expect(new Map(before.entries())).toEqual(expected)
      expect(before.size).toBe(expected.size)
      const next = apply(new Map(expected), second)
      expect(new Map(after.entries())).toEqual(next)
      expect(after.size).toBe(next.size)
      expect([...after.keys()].sort()).toEqual([...next.keys()].sort())
      for (const [key, value] of next) expect(after.get(key)).toBe(value)
    }),
  )
})

test('no change is the same map', () => {
  const map = SharedMap.of([['a', 1]])
  expect(map.with([])).toBe(map)
})

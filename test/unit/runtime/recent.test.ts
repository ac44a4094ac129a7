import fc from 'fast-check'
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

test('whatever is done to it, it has what a list in the order of use has', () => {
  const key = fc.integer({ min: 0, max: 5 })
  const step = fc.tuple(fc.constantFrom('get', 'set', 'delete'), key)
  const property = fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step), (max, steps) => {
    const recent = new Recent<number, number>(max)
    let listed: readonly (readonly [key: number, value: number])[] = []
    for (const [time, [what, key]] of steps.entries()) {
      const found = listed.find(([one]) => one === key)
      const others = listed.filter(([one]) => one !== key)
      if (what === 'get') expect(recent.get(key)).toBe(found?.[1])
      if (what === 'set') recent.set(key, time)
      if (what === 'delete') recent.delete(key)
      const used = what === 'set' ? ([key, time] as const) : what === 'get' ? found : undefined
      listed = (used === undefined ? others : [...others, used]).slice(-max)
    }
    for (const key of [0, 1, 2, 3, 4, 5]) {
      expect(recent.get(key)).toBe(listed.find(([one]) => one === key)?.[1])
    }
  })
  fc.assert(property)
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jwtKey } from '../../../../agent/cache/jwt-record.ts'
import { groupKey } from '../../../../agent/cache/readers.ts'
import { selectorKey } from '../../../../src/entry/selector.ts'
import { entryOf } from './fixture.ts'

// Two keys that are alike by mistake give one workload what belongs to another.

/** Text out of what a key is put together with. */
const hostile = fc.string({ unit: fc.constantFrom('1', ':', ',', 'a', '\0'), maxLength: 6 })

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const [x, y] = [new Set(a), new Set(b)]
  return x.size === y.size && [...x].every((text) => y.has(text))
}

test('T17 tokens share a key only where entry, revision and the set of audiences are the same', () => {
  const asked = fc.record({
    id: fc.constantFrom('1', '1,1', '11', '1:1'),
    revision: fc.nat({ max: 11 }),
    audience: fc.array(hostile, { minLength: 1, maxLength: 3 }),
  })
  fc.assert(
    fc.property(asked, asked, (a, b) => {
      const keys = [a, b].map(({ id, revision, audience }) =>
        jwtKey(entryOf('/web', ['unix:uid:1'], { id, revision }), audience),
      )
      const same = a.id === b.id && a.revision === b.revision && sameSet(a.audience, b.audience)
      expect(keys[0] === keys[1]).toBe(same)
    }),
    { numRuns: 2000 },
  )
})

test('T17 workloads share an update only where their sets of selectors are the same', () => {
  const selector = fc.record({ type: fc.constantFrom('1', '11', 'a', 'a1'), value: hostile })
  const list = fc.array(selector, { maxLength: 3 })
  fc.assert(
    fc.property(list, list, (a, b) => {
      const same = sameSet(a.map(selectorKey), b.map(selectorKey))
      expect(groupKey(a) === groupKey(b)).toBe(same)
    }),
    { numRuns: 2000 },
  )
})

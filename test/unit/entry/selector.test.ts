import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkSelector,
  formatSelector,
  maxSelectorValueBytes,
  parseSelector,
  sortSelectors,
} from '../../../src/entry/selector.ts'

describe('parseSelector', () => {
  test('the value is all that follows the first colon', () => {
    expect(parseSelector('k8s:pod-label:app:web')).toEqual({
      type: 'k8s',
      value: 'pod-label:app:web',
    })
  })

  test.each([
    ['unix', 'selector-syntax'],
    ['', 'selector-syntax'],
    [':uid:0', 'selector-type'],
    ['Unix:uid:0', 'selector-type'],
    ['un ix:uid:0', 'selector-type'],
    [`${'a'.repeat(65)}:b`, 'selector-type'],
    ['unix:', 'selector-value'],
    ['unix:a\nb', 'selector-value'],
    ['unix:a\u0000b', 'selector-value'],
    ['unix:a\u009bb', 'selector-value'],
    ['unix:\ud800', 'selector-value'],
    [`unix:${'ä'.repeat(513)}`, 'selector-value'],
  ])('%j is refused with %s', (text, reason) => {
    expect(() => parseSelector(text)).toThrow(expect.objectContaining({ code: 'invalid', reason }))
  })

  test('the longest type and value are accepted', () => {
    const text = `${'a'.repeat(64)}:${'ä'.repeat(maxSelectorValueBytes / 2)}`
    expect(formatSelector(parseSelector(text))).toBe(text)
  })

  test('a refused value is not repeated in the message', () => {
    expect(() => checkSelector({ type: 'docker', value: 'env:PASSWORD=hunter2\n' })).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('hunter2') }),
    )
  })
})

test('sorting is free of order and of repetition', () => {
  const selector = fc.record({
    type: fc.constantFrom('a', 'b', 'a.b'),
    value: fc.constantFrom('1', '2', '10', 'x:y'),
  })
  fc.assert(
    fc.property(fc.array(selector), fc.infiniteStream(fc.nat()), (selectors, chance) => {
      const shuffled = selectors
        .concat(selectors)
        .map((item) => ({ item, at: chance.next().value as number }))
        .sort((a, b) => a.at - b.at)
        .map(({ item }) => item)
      expect(sortSelectors(shuffled)).toEqual(sortSelectors(selectors))
      expect(sortSelectors(sortSelectors(selectors))).toEqual(sortSelectors(selectors))
    }),
  )
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Selector } from '../../../src/entry/entry.ts'
import { SelectorMatcher } from '../../../src/entry/match.ts'
import { leastCpuMs } from '../../support/cost.ts'
import { isMatchedBy } from '../../support/matched-by.ts'

interface Item {
  readonly id: string
  readonly selectors: readonly Selector[]
}

const selector = fc.record({
  type: fc.constantFrom('unix', 'k8s'),
  value: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
})
const selectors = fc.array(selector, { maxLength: 5 })
const id = fc.nat({ max: 60 }).map(String)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('put'), id, selectors }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete'), id, selectors }) },
)

describe('SelectorMatcher', () => {
  test('finds what a comparison with every item finds, whatever was put and deleted', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 200 }),
        fc.array(selectors, { maxLength: 10 }),
        (steps, workloads) => {
          const matcher = new SelectorMatcher<Item>()
          const items = new Map<string, Item>()
          for (const { kind, ...item } of steps) {
            if (kind === 'put') {
              matcher.put(item)
              items.set(item.id, item)
            } else {
              matcher.delete(item.id)
              items.delete(item.id)
            }
          }
          for (const workload of workloads) {
            const found = matcher.match(workload)
            const expected = [...items.values()].filter((item) =>
              isMatchedBy(item.selectors, workload),
            )
            expect(new Set(found)).toEqual(new Set(expected))
            expect(found).toHaveLength(expected.length)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  test('an item without selectors matches nobody', () => {
    const matcher = new SelectorMatcher<Item>()
    matcher.put({ id: '1', selectors: [] })
    expect(matcher.match([{ type: 'unix', value: 'uid:0' }])).toEqual([])
    expect(matcher.size).toBe(0)
  })

  test('an item that is put again takes the place of the former', () => {
    const matcher = new SelectorMatcher<Item>()
    const one = [{ type: 'unix', value: 'uid:1' }]
    const two = [{ type: 'unix', value: 'uid:2' }]
    matcher.put({ id: 'x', selectors: one })
    matcher.put({ id: 'x', selectors: two })
    expect(matcher.match(one)).toEqual([])
    expect(matcher.match(two)).toEqual([{ id: 'x', selectors: two }])
  })

  test('type and value do not run into each other', () => {
    const matcher = new SelectorMatcher<Item>()
    matcher.put({ id: 'x', selectors: [{ type: 'a', value: 'b:c' }] })
    expect(matcher.match([{ type: 'a:b', value: 'c' }])).toEqual([])
  })

  test('a selector that became common anchors little, however the items came', async () => {
    const matcher = new SelectorMatcher<Item>()
    // At the first of these, the common selectors are as rare as the one that tells them apart.
    for (let at = 0; at < 20_000; at += 1) {
      matcher.put({
        id: String(at),
        selectors: [
          { type: 'k8s', value: 'cluster' },
          { type: 'k8s', value: `ns:${at % 20}` },
          { type: 'k8s', value: `sa:${at}` },
        ],
      })
    }
    const workload = [
      { type: 'k8s', value: 'cluster' },
      { type: 'k8s', value: 'ns:7' },
      { type: 'k8s', value: 'sa:7' },
    ]
    expect(matcher.match(workload).map((item) => item.id)).toEqual(['7'])
    // Microseconds are the aim; this bound only tells it from a look at each of the 20,000.
    expect(await leastCpuMs(1000, () => matcher.match(workload))).toBeLessThan(0.1)
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openCursor, pageSizeOf, sealCursor } from '../../../../server/entry/cursor.ts'
import {
  canonicalFilter,
  checkFilter,
  type EntryFilter,
  matcherOf,
  type SetMatch,
} from '../../../../server/entry/filter.ts'
import { OrderedIds } from '../../../../server/entry/order.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { entryOf, idOf, selectorsOf } from './samples.ts'

const modes: readonly SetMatch[] = ['exact', 'subset', 'superset', 'any']

describe('filters', () => {
  const sets = {
    a: ['a'],
    ab: ['a', 'b'],
    abc: ['a', 'b', 'c'],
    d: ['d'],
  }
  test.each<[SetMatch, string]>([
    ['exact', 'ab'],
    ['subset', 'a ab'],
    ['superset', 'ab abc'],
    ['any', 'a ab abc'],
  ])('selectors and trust domains by %s', (match, expected) => {
    const wanted = ['b', 'a', 'a']
    const trustDomains = wanted.map(TrustDomain.parse)
    for (const [name, values] of Object.entries(sets)) {
      const bySelectors = matcherOf({ selectors: { match, selectors: selectorsOf(...wanted) } })
      const byDomains = matcherOf({ federatesWith: { match, trustDomains } })
      const entry = entryOf({
        id: name,
        selectors: selectorsOf(...values),
        federatesWith: values.map(TrustDomain.parse),
      })
      const passes = expected.split(' ').includes(name)
      expect([bySelectors(entry), byDomains(entry)]).toEqual([passes, passes])
    }
  })

  test.each(modes)('an entry that federates with nobody passes no filter by %s', (match) => {
    const trustDomains = [TrustDomain.parse('a')]
    expect(matcherOf({ federatesWith: { match, trustDomains } })(entryOf({ id: '1' }))).toBe(false)
  })

  test('every field that is given must hold', () => {
    const entry = entryOf({ id: '1', hint: 'h', downstream: true, owner: 'o', labels: { k: 'v' } })
    const whole: EntryFilter = {
      id: '1',
      spiffeId: idOf('/1'),
      parentId: entry.parentId,
      hint: 'h',
      downstream: true,
      owner: 'o',
      labels: { k: 'v' },
      disabled: false,
    }
    expect(matcherOf(whole)(entry)).toBe(true)
    const others: readonly EntryFilter[] = [
      { id: '2' },
      { spiffeId: idOf('/2') },
      { parentId: idOf('/2') },
      { hint: '' },
      { downstream: false },
      { owner: '' },
      { labels: { k: 'w' } },
      { labels: { toString: 'v' } },
      { disabled: true },
    ]
    for (const other of others) expect(matcherOf({ ...whole, ...other })(entry)).toBe(false)
  })

  test('a set that is empty or too large is refused', () => {
    for (const count of [0, 65]) {
      const selectors = selectorsOf(...Array.from({ length: count }, (_, at) => `${at}`))
      expect(() => checkFilter({ selectors: { match: 'any', selectors } })).toThrow(
        expect.objectContaining({ code: 'invalid', reason: 'entry-filter' }),
      )
    }
    expect(() => checkFilter({ federatesWith: { match: 'any', trustDomains: [] } })).toThrow(
      expect.objectContaining({ reason: 'entry-filter' }),
    )
  })
})

describe('page tokens', () => {
  const key = Buffer.alloc(32, 1)
  const filter: EntryFilter = { owner: 'o', labels: { a: '1', b: '2' } }

  test('a token opens for the filter that it was made for, in whatever order that is written', () => {
    const token = sealCursor(key, filter, 'last-id')
    expect(openCursor(key, { labels: { b: '2', a: '1' }, owner: 'o' }, token)).toBe('last-id')
    expect(openCursor(key, filter, '')).toBeUndefined()
    const longest = 'a'.repeat(2048)
    expect(openCursor(key, filter, sealCursor(key, filter, longest))).toBe(longest)
  })

  test('no other token, filter or key opens', () => {
    const token = sealCursor(key, filter, 'last-id')
    const bytes = Buffer.from(token, 'base64url')
    const forged = Array.from(bytes.keys(), (at) => {
      const copy = Buffer.from(bytes)
      copy[at] = (copy[at] ?? 0) ^ 1
      return copy.toString('base64url')
    })
    for (const bad of [...forged, 'a', token.slice(0, 40), token + token, 'x'.repeat(1e6)]) {
      expect(() => openCursor(key, filter, bad)).toThrow(
        expect.objectContaining({ code: 'invalid', reason: 'page-token' }),
      )
    }
    expect(() => openCursor(key, {}, token)).toThrow()
    expect(() => openCursor(Buffer.alloc(32, 2), filter, token)).toThrow()
  })

  test('filters that differ have different canonical texts', () => {
    const filters: readonly EntryFilter[] = [
      {},
      { id: 'a' },
      { hint: 'a' },
      { owner: 'a' },
      { hint: '' },
      { downstream: false },
      { downstream: true },
      { labels: { a: 'b' } },
      ...modes.map((match): EntryFilter => ({ selectors: { match, selectors: selectorsOf('a') } })),
      { selectors: { match: 'any', selectors: selectorsOf('a', 'b') } },
      { federatesWith: { match: 'any', trustDomains: [TrustDomain.parse('a')] } },
    ]
    expect(new Set(filters.map(canonicalFilter)).size).toBe(filters.length)
  })

  test('a page has 1 to 1000 entries, and a list without pages up to 5000', () => {
    expect([undefined, 0, 1, 1000, 1001, 0x7fffffff].map(pageSizeOf)).toEqual([
      5000, 5000, 1, 1000, 1000, 1000,
    ])
    expect(() => pageSizeOf(-1)).toThrow(expect.objectContaining({ reason: 'page-size' }))
  })
})

test('ids stay in order whatever is added and deleted between two readings', () => {
  const change = fc.record({ id: fc.nat({ max: 99 }).map(String), there: fc.boolean() })
  fc.assert(
    fc.property(
      fc.array(fc.array(change, { maxLength: 100 }), { maxLength: 6 }),
      fc.nat({ max: 99 }).map(String),
      (rounds, after) => {
        const ids = new Set<string>()
        const order = new OrderedIds(ids)
        for (const changes of rounds) {
          for (const { id, there } of changes) {
            if (there === ids.has(id)) continue
            if (there) {
              order.add(id)
              ids.add(id)
            } else {
              order.delete(id)
              ids.delete(id)
            }
          }
          expect([...order.after(undefined)]).toEqual([...ids].sort())
          expect([...order.after(after)]).toEqual([...ids].sort().filter((id) => id > after))
        }
      },
    ),
  )
})

import { expect, test } from 'vitest'
import type { Fact } from '../../../src/revocation/fact.ts'
import { FactIndex } from '../../../src/revocation/fact-index.ts'

const fact = (id: string, endsAt = 1): Fact => ({ kind: 'token', id, notBefore: 0, endsAt })

function indexOf(ids: readonly string[]): FactIndex {
  const index = new FactIndex()
  for (const id of ids) index.set(fact(id))
  return index
}

const many = (name: (n: number) => string, count = 5000): readonly string[] =>
  Array.from({ length: count }, (_, n) => name(n))

test.each<[string, (n: number) => string]>([
  ['that differ at their end', (n) => `spiffe://example.org/ns/shop/sa/web-${n}`],
  ['that differ at their beginning alone', (n) => `${n}/the-same-end-of-all-of-them`],
  ['that are a character long, of any script', (n) => String.fromCharCode(n + 0x100)],
])('each of thousands of facts is found, %s, and no other', (_name, name) => {
  const ids = many(name)
  const index = indexOf(ids)
  expect(index.size).toBe(ids.length)
  expect(ids.filter((id) => index.get(id)?.id !== id)).toEqual([])
  expect(ids.filter((id) => index.get(`${id}x`) !== undefined)).toEqual([])
  expect(index.get('')).toBeUndefined()
})

test('what comes while others go is found, however often they are drawn up anew', () => {
  const index = indexOf(many((n) => `first-${n}`))
  for (let n = 0; n < 40_000; n += 1) {
    index.set(fact(`next-${n}`))
    index.delete(n < 5000 ? `first-${n}` : `next-${n - 5000}`)
  }
  expect(index.size).toBe(5000)
  const left = many((n) => `next-${35_000 + n}`)
  expect(left.filter((id) => index.get(id) === undefined)).toEqual([])
  expect(index.get('next-34999')).toBeUndefined()
  expect([...index.values()]).toHaveLength(5000)
})

test('of two facts about the same the last one put in is kept', () => {
  const index = indexOf(many((n) => `${n}`))
  index.set(fact('17', 2))
  expect(index.get('17')).toEqual(fact('17', 2))
  expect(index.size).toBe(5000)
})

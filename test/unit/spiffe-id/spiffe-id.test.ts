import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { leastCpuMs } from '../../support/cost.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'

const from = (alphabet: string) => fc.constantFrom(...alphabet)
const lower = 'abcdefghijklmnopqrstuvwxyz0123456789.-_'
const name = fc.string({ unit: from(lower), minLength: 1, maxLength: 40 })
const segment = fc
  .string({ unit: from(`${lower}ABCDEFGHIJKLMNOPQRSTUVWXYZ`), minLength: 1, maxLength: 20 })
  .filter((text) => text !== '.' && text !== '..')
const path = fc.array(segment, { maxLength: 8 }).map((all) => all.map((s) => `/${s}`).join(''))

// SPIFFE-ID §2 written once more, the slow way.
function isValid(text: string): boolean {
  const found = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)*)$/.exec(text)
  if (found === null || text.endsWith('\n') || text.length > 2048) return false
  return !(found[2] ?? '').split('/').some((s) => s === '.' || s === '..')
}

describe('a SPIFFE ID', () => {
  test('of a name and a path gives both back', () => {
    fc.assert(
      fc.property(name, path, (n, p) => {
        const id = SpiffeId.of(TrustDomain.parse(n), p)
        expect(SpiffeId.parse(`spiffe://${n}${p}`)).toBe(id)
        expect(SpiffeId.trustDomainOf(id)).toBe(n)
        expect(SpiffeId.pathOf(id)).toBe(p)
      }),
    )
  })

  test('is read as the grammar says, also of any text near it', () => {
    const near = fc
      .array(
        fc.oneof(from('/.%?#@: \n\0AaZz09-_é'), fc.constantFrom('spiffe://', '..', '//', 'td')),
        {
          maxLength: 20,
        },
      )
      .map((parts) => parts.join(''))
    const text = fc.oneof(
      fc.string(),
      near,
      near.map((tail) => `spiffe://td${tail}`),
      near.map((tail) => `spiffe://${tail}`),
    )
    fc.assert(
      fc.property(text, (t) => {
        expect(SpiffeId.tryParse(t) !== undefined).toBe(isValid(t))
      }),
      { numRuns: 2000 },
    )
  })

  test('of 2048 bytes of one bad path is refused at once', async () => {
    const id = `spiffe://td${'/a'.repeat(1018)}/`
    expect(await leastCpuMs(1000, () => SpiffeId.tryParse(id))).toBeLessThan(2)
  })

  test('that is far too long is refused before it is read', () => {
    expect(reasonOf(() => SpiffeId.parse('spiffe://td/'.padEnd(10_000_000, 'a')))).toBe(
      'spiffe-id-too-long',
    )
  })
})

describe('what a person types as a trust domain', () => {
  test.each([
    ['example.org', 'example.org'],
    ['spiffe://example.org', 'example.org'],
    ['spiffe://example.org/web', 'example.org'],
  ])('%s is read', (text, expected) => {
    expect(TrustDomain.parseIdOrName(text)).toBe(expected)
  })

  test.each([
    '',
    'Example.org',
    'https://example.org',
    'example.org/',
    'spiffe://',
    'spiffe:/a',
    'spiffe://a/',
  ])('%j is refused', (text) => {
    expect(reasonOf(() => TrustDomain.parseIdOrName(text))).not.toBe('ok')
  })
})

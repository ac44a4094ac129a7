import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_JSON_DEPTH, MAX_JSON_PARTS, parseJsonObject } from '../../../src/jwt/strict-json.ts'
import { growth } from '../../support/cost.ts'

function refusal(reason: string): unknown {
  return expect.objectContaining({ code: 'invalid', reason })
}

describe('strict JSON', () => {
  test('every object that JSON.stringify writes is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })),
        fc.nat(3),
        (value, indent) => {
          const text = JSON.stringify(value, undefined, indent)
          fc.pre(!text.includes('__proto__'))
          expect({ ...parseJsonObject(text).members }).toEqual(JSON.parse(text))
        },
      ),
    )
  })

  test('a member that is there twice is refused at every depth and under every spelling', () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), fc.nat(5), (name, value, depth) => {
        fc.pre(name !== '__proto__')
        const plain = JSON.stringify(name)
        const escaped = `"${Array.from({ length: name.length }, (_, i) => `\\u${name.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`
        const twice = `{${plain}:1,"${name.length} x":{"a":[]},${escaped}:${JSON.stringify(value)}}`
        const text = `{"a":${'['.repeat(depth)}${twice}${']'.repeat(depth)}}`
        fc.pre(!JSON.stringify(value).includes('__proto__') && name !== `${name.length} x`)
        expect(() => parseJsonObject(text)).toThrow(refusal('json-duplicate-member'))
      }),
    )
  })

  test.each([
    ['{"a":{"x":1},"b":{"x":2},"c":[{"x":3},{"x":4}],"x":5}'],
    ['{"a":"x","x":"a","b":["b","b"]}'],
    ['{"a":"\\"a\\":1,","b":"{","c":"\\\\"}'],
    ['{"":1,"a":{"":2}}'],
  ])('one name in several objects, and names in strings, are fine: %s', (text) => {
    expect({ ...parseJsonObject(text).members }).toEqual(JSON.parse(text))
  })

  test.each(['{"__proto__":1}', '{"a":[{"\\u005f_proto__":1}]}'])('%s is refused', (text) => {
    expect(() => parseJsonObject(text)).toThrow(refusal('json-forbidden-member'))
  })

  test('what every object inherits is not a member', () => {
    const { members } = parseJsonObject('{"a":1}')
    expect('constructor' in members).toBe(false)
    expect('toString' in members).toBe(false)
    expect(Object.getPrototypeOf(members)).toBeNull()
  })

  test('nesting ends at a bound', () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
    expect(() => parseJsonObject(nested(MAX_JSON_DEPTH))).not.toThrow()
    expect(() => parseJsonObject(nested(MAX_JSON_DEPTH + 1))).toThrow(refusal('json-too-deep'))
  })

  test('top-level numbers are there digit by digit', () => {
    const { numbers } = parseJsonObject(
      '{"a":18446744073709551615,"b" : -1.50e+3,"c":"7","d":{"e":8},"f":[9],"g":0}',
    )
    expect(Object.fromEntries(numbers)).toEqual({
      a: '18446744073709551615',
      b: '-1.50e+3',
      g: '0',
    })
  })

  test('other values and bad JSON are refused without a quote of the text', () => {
    expect(() => parseJsonObject('[]')).toThrow(refusal('json-not-an-object'))
    expect(() => parseJsonObject('1')).toThrow(refusal('json-not-an-object'))
    expect(() => parseJsonObject('{"secret"')).toThrow(refusal('json-malformed'))
    expect(() => parseJsonObject('{"secret"')).toThrow(/^malformed JSON$/)
  })

  test('T12 more parts than anyone needs are refused before they are read, in strings too', () => {
    const members = (count: number): string =>
      `{${Array.from({ length: count }, (_, n) => `"m${n}":1`).join(',')}}`
    expect(() => parseJsonObject(members(MAX_JSON_PARTS))).not.toThrow()
    expect(() => parseJsonObject(members(MAX_JSON_PARTS + 1))).toThrow(
      refusal('json-too-many-parts'),
    )
    expect(() => parseJsonObject(`{"a":"${','.repeat(MAX_JSON_PARTS)}"}`)).toThrow(
      refusal('json-too-many-parts'),
    )
  })

  test.each<[what: string, size: number, text: (size: number) => string]>([
    ['quotes', 500_000, (size) => `{"a":"${'\\"'.repeat(size)}"}`],
    ['backslashes', 500_000, (size) => `{"a":"${'\\\\'.repeat(size)}"}`],
    ['brackets', 16_000, (size) => `{"a":[${'[],'.repeat(size)}[]]}`],
    ['spaces', 1_000_000, (size) => `{"a"${' '.repeat(size)}:1}`],
  ])('a megabyte of %s takes linear time', async (_what, size, text) => {
    const read = (part: number): unknown => parseJsonObject(text(part))
    expect(await growth(32, size, read)).toBeLessThan(8)
  })
})

import { afterAll, expect, test, vi } from 'vitest'
import { readCompact } from '../../../src/jwt/compact.ts'
import * as json from '../../../src/jwt/strict-json.ts'

const read = vi.spyOn(json, 'parseJsonObject')
afterAll(() => read.mockRestore())

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const tokenBy = (kid: string): string => `${part({ alg: 'ES256', kid })}.${part({})}.AAAA`
/** How many of its two parts are read. */
function partsRead(kid: string): number {
  read.mockClear()
  expect(readCompact(tokenBy(kid))).toMatchObject({ keyId: kid, claims: {} })
  return read.mock.calls.length
}

test('T12 of headers 64 are remembered, which nobody can fill with long ones', () => {
  expect(partsRead('first')).toBe(2)
  expect(partsRead('first')).toBe(1)
  for (let n = 0; n < 64; n += 1) expect(partsRead(`another ${n}`)).toBe(2)
  expect(partsRead('first')).toBe(2)
  const long = 'x'.repeat(512)
  for (let shown = 0; shown < 2; shown += 1) expect(partsRead(long)).toBe(2)
})

test('what is remembered of a header nobody changes, and is refused for what it was refused for', () => {
  const token = `${part({ alg: 'ES256', kid: 7 })}.${part({})}.AAAA`
  for (let shown = 0; shown < 2; shown += 1) {
    expect(() => readCompact(token)).toThrow(expect.objectContaining({ reason: 'token-header' }))
  }
})

test.for([
  ['of which there are four', 'a.b.c.d'],
  ['of which there are two', 'a.b'],
  ['whose signature is empty', `${part({ alg: 'ES256' })}.${part({})}.`],
  [
    'whose claims are not UTF-8',
    `${part({ alg: 'ES256' })}.${Buffer.from('{"a":"\xe9"}', 'latin1').toString('base64url')}.AAAA`,
  ],
  [
    'whose claims begin with a mark',
    `${part({ alg: 'ES256' })}.${Buffer.from('\ufeff{}').toString('base64url')}.AAAA`,
  ],
  ['that are padded', `${part({ alg: 'ES256' })}=.${part({})}.AAAA`],
] as const)('parts %s are no token', ([, token]) => {
  expect(() => readCompact(token)).toThrow(expect.objectContaining({ reason: 'token-malformed' }))
})

test('a token has 65,536 bytes at most', () => {
  const [start, end] = [`${part({ alg: 'ES256' })}.`, '.AAAA']
  const most = 65_536 - start.length - end.length
  // Four characters of the payload are three bytes of it.
  const claims = (length: number) => Buffer.from('{}'.padEnd(length)).toString('base64url')
  let length = 49_000
  while (claims(length + 1).length <= most) length += 1
  expect(readCompact(`${start}${claims(length)}${end}`).claims).toEqual({})
  expect(() => readCompact(`${start}${claims(length + 3)}${end}`)).toThrow(
    expect.objectContaining({ reason: 'token-too-large' }),
  )
})

import { describe, expect, test } from 'vitest'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'

const name255 = 'a'.repeat(255)
const td = TrustDomain.parse('td')

const refused: Readonly<Record<string, readonly string[]>> = {
  'ID-01 another scheme': [
    'https://td/a',
    'spiffe:/td/a',
    '//td/a',
    'td/a',
    '',
    'spiffe',
    ' spiffe://td/a',
  ],
  'ID-02 an empty trust domain': ['spiffe://', 'spiffe:///a'],
  'ID-03 a query': ['spiffe://td/a?x=1', 'spiffe://td/a?', 'spiffe://td?'],
  'ID-04 a fragment': ['spiffe://td/a#f', 'spiffe://td/a#', 'spiffe://td#'],
  'ID-05 a user': ['spiffe://u@td/a', 'spiffe://u:p@td/a', 'spiffe://@td/a'],
  'ID-06 a port': ['spiffe://td:8080/a', 'spiffe://td:/a'],
  'ID-07 and ID-21 upper case in scheme or trust domain': [
    'SPIFFE://td/a',
    'Spiffe://td/a',
    'spiffe://TD/a',
    'spiffe://Example.org/a',
  ],
  'ID-08 another character in the trust domain': [...'!$~*+,:@%é\\ \0[]'].map(
    (c) => `spiffe://t${c}d/a`,
  ),
  'ID-09 percent-encoding in the trust domain': ['spiffe://t%64/a'],
  'ID-10 an IPv6 literal': ['spiffe://[::1]/a'],
  'ID-12 percent-encoding in the path': ['spiffe://td/a%20b', 'spiffe://td/%41'],
  'ID-13 an empty segment': ['spiffe://td//a', 'spiffe://td/a//b', 'spiffe://td//'],
  'ID-14 a dot segment': [
    'spiffe://td/./a',
    'spiffe://td/a/..',
    'spiffe://td/..',
    'spiffe://td/.',
    'spiffe://td/../a',
    'spiffe://td/a/../b',
  ],
  'ID-15 a trailing slash': ['spiffe://td/', 'spiffe://td/a/'],
  'ID-16 another character in the path': [
    ...['!', ':', '~', ' ', 'ä', '*', '\\', '\0', '\n', '@', '+', '\u{1F600}', '\u0661'],
  ].map((c) => `spiffe://td/a${c}b`),
  'ID-18 more than 2048 bytes': [`spiffe://td/${'a'.repeat(2048 - 12 + 1)}`],
  'ID-19 a trust domain of 256 bytes': [`spiffe://a${name255}/a`],
}

describe.each(Object.entries(refused))('%s is refused', (_title, texts) => {
  test.each(texts)('%j', (text) => {
    expect(SpiffeId.tryParse(text)).toBeUndefined()
    expect(reasonOf(() => SpiffeId.parse(text))).toMatch(/^(spiffe-id|trust-domain)-/)
  })
})

const accepted: Readonly<Record<string, readonly string[]>> = {
  'ID-08 the whole alphabet of trust domains': ['spiffe://a_b.c-d9/a'],
  'ID-10 a dotted IPv4 address': ['spiffe://127.0.0.1/a'],
  'ID-11 names that are no DNS names': [
    'spiffe://a..b/a',
    'spiffe://.a/a',
    'spiffe://-a-/a',
    'spiffe://a./a',
    'spiffe://123/a',
    `spiffe://${'a'.repeat(200)}/a`,
    'spiffe://0x7f.1/a',
    'spiffe://../a',
    'spiffe://xn--nxasmq6b/a',
  ],
  'ID-14 segments that only look like dot segments': [
    'spiffe://td/...',
    'spiffe://td/.a',
    'spiffe://td/a..',
    'spiffe://td/..a/b',
  ],
  'ID-16 the whole alphabet of paths': ['spiffe://td/AZaz09.-_'],
  'ID-17 and ID-20 exactly 2048 bytes, all counted': [`spiffe://td/${'a'.repeat(2048 - 12)}`],
  'ID-19 a trust domain of 255 bytes': [`spiffe://${name255}/a`],
  'ID-22 a path of many segments': ['spiffe://td/a/b/c', `spiffe://td${'/a'.repeat(500)}`],
  'ID-24 the ID of a trust domain': ['spiffe://td'],
}

describe.each(Object.entries(accepted))('%s are accepted', (_title, texts) => {
  test.each(texts)('%s', (text) => {
    expect(SpiffeId.parse(text)).toBe(text)
    const id = SpiffeId.parse(text)
    expect(SpiffeId.of(SpiffeId.trustDomainOf(id), SpiffeId.pathOf(id))).toBe(text)
  })
})

test('ID-07 a trust domain is configured in lower case only', () => {
  expect(reasonOf(() => TrustDomain.parse('Example.org'))).toBe('trust-domain-character')
})

test('ID-16 a path that is joined to a trust domain is held to the same rules', () => {
  for (const path of ['a', '/', '/a/', '//a', '/a?', '/..', '/a b', '/%41']) {
    expect(
      reasonOf(() => SpiffeId.of(td, path)),
      path,
    ).toMatch(/^spiffe-id-path/)
  }
  expect(reasonOf(() => SpiffeId.of(td, `/${'a'.repeat(2048)}`))).toBe('spiffe-id-too-long')
})

test('ID-21 paths that differ in case are different IDs', () => {
  expect(SpiffeId.parse('spiffe://td/Path')).not.toBe(SpiffeId.parse('spiffe://td/path'))
})

test('ID-24 the ID of a trust domain has no path', () => {
  expect(TrustDomain.toId(td)).toBe('spiffe://td')
  expect(SpiffeId.pathOf(TrustDomain.toId(td))).toBe('')
})

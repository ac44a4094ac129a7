import { expect, test } from 'vitest'
import { canonicalSegments } from '../../../src/request-target/canonical-path.ts'
import { isPathPattern, matchesPath } from '../../../src/request-target/path-pattern.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'

test('a path has one form, whoever wrote it', () => {
  expect(canonicalSegments('/')).toEqual([''])
  expect(canonicalSegments('/a/b/')).toEqual(['a', 'b', ''])
  expect(canonicalSegments('/%61dmin/%c3%a9%7E')).toEqual(['admin', '%C3%A9~'])
  // Who forbids `/keys:rotate` means this one too: a server decodes it.
  expect(canonicalSegments('/keys%3Arotate/a%40b%2c%21')).toEqual(['keys:rotate', 'a@b,!'])
  // To some a plus sign is a blank, and to others it is itself.
  expect(canonicalSegments('/a+b%2Bc')).toEqual(['a+b%2Bc'])
  expect(canonicalSegments('/..a/a../a%20')).toEqual(['..a', 'a..', 'a%20'])
})

test.for([
  ['', 'path-form'],
  ['a', 'path-form'],
  ['//a', 'path-empty-segment'],
  ['/a//b', 'path-empty-segment'],
  ['/a/../b', 'path-dot-segment'],
  ['/a/./b', 'path-dot-segment'],
  ['/.', 'path-dot-segment'],
  ['/a/%2e', 'path-dot-segment'],
  ['/a/%2e%2E/b', 'path-dot-segment'],
  // Some servers leave out dots and blanks at the end of a segment.
  ['/a/.../b', 'path-dot-segment'],
  ['/a/..%20/b', 'path-dot-segment'],
  ['/a/%20..', 'path-dot-segment'],
  ['/a/.%20./b', 'path-dot-segment'],
  ['/a/%20/b', 'path-dot-segment'],
  ['/a%2fb', 'path-encoded-slash'],
  ['/a%5cb', 'path-backslash'],
  ['/a\\b', 'path-backslash'],
  ['/a%252e', 'path-double-encoding'],
  ['/a;b', 'path-parameter'],
  ['/a%3bb', 'path-parameter'],
  ['/a%00', 'path-control'],
  ['/a%1f', 'path-control'],
  ['/a%7f', 'path-control'],
  ['/a%zz', 'path-encoding'],
  ['/a%ff', 'path-encoding'],
  // Look-alikes in full width: a slash, a backslash, a percent sign, a semicolon, one dot and two.
  ['/%EF%BC%8F', 'path-encoding'],
  ['/a%EF%BC%BCb', 'path-encoding'],
  ['/a%EF%BC%852e', 'path-encoding'],
  ['/a%EF%BC%9Bb', 'path-encoding'],
  ['/%EF%BC%8E', 'path-encoding'],
  ['/%E2%80%A5', 'path-encoding'],
  // Two dots and a blank of another kind; three dots in one.
  ['/..%C2%A0', 'path-encoding'],
  ['/%E2%80%A6', 'path-encoding'],
  ['/a b', 'path-character'],
  ['/é', 'path-character'],
])('%s is refused: %s', ([path = '', reason]) => {
  expect(reasonOf(() => canonicalSegments(path))).toBe(reason)
})

test('a pattern is a path with stars as whole segments', () => {
  expect(matchesPath('/orders/*', '/orders/7')).toBe(true)
  expect(matchesPath('/orders/*', '/orders/')).toBe(false)
  expect(matchesPath('/orders/*', '/orders/7/lines')).toBe(false)
  expect(matchesPath('/orders/**', '/orders')).toBe(true)
  expect(matchesPath('/orders/**', '/orders/7/lines')).toBe(true)
  expect(matchesPath('/orders/**', '/ordersx')).toBe(false)
  expect(matchesPath('/orders', '/Orders')).toBe(false)
  for (const wrong of [
    'orders',
    '/a*',
    '/**/a',
    '/a/../b',
    '/a b',
    '/%61',
    '/a%3Ab',
    '/a%2Fb',
    '/%FF',
  ]) {
    expect(isPathPattern(wrong)).toBe(false)
  }
})

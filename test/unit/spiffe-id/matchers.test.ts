import { expect, test } from 'vitest'
import {
  matchAny,
  matchId,
  matchOneOf,
  matchPath,
  matchTrustDomain,
  type SpiffeIdMatcher,
} from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'

const here = TrustDomain.parse('example.org')
const everybody = [
  'spiffe://example.org',
  'spiffe://example.org/web',
  'spiffe://example.org/web/admin',
  'spiffe://example.org/WEB',
  'spiffe://example.org.evil/web',
  'spiffe://evil.example.org/web',
].map((text) => SpiffeId.parse(text))
const [root, web, admin, upper] = everybody as [SpiffeId, SpiffeId, SpiffeId, SpiffeId]

test.each<[string, SpiffeIdMatcher, readonly SpiffeId[]]>([
  ['by ID', matchId(web), [web]],
  ['one of two', matchOneOf(web, admin), [web, admin]],
  ['one of none', matchOneOf(), []],
  ['by trust domain', matchTrustDomain(here), [root, web, admin, upper]],
  ['by path', matchPath(here, (path) => path.startsWith('/web')), [web, admin]],
  [
    'by either of two',
    matchAny(
      matchId(upper),
      matchPath(here, (path) => path === ''),
    ),
    [root, upper],
  ],
  ['by none', matchAny(), []],
])('a matcher %s takes exactly who is meant', (_how, matches, expected) => {
  expect(everybody.filter(matches)).toEqual(expected)
})

test('what is a promise, or anything but true, takes nobody', () => {
  const later = (async () => false) as never
  expect(matchAny(later)(web)).toBe(false)
  expect(matchPath(here, later)(web)).toBe(false)
})

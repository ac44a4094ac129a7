import { describe, expect, test } from 'vitest'
import { checkEntry } from '../../../../server/entry/rules.ts'
import {
  checkKey,
  isWithin,
  keyHashOf,
  legacyCallerOf,
  legacyEntry,
} from '../../../../server/legacy/legacy-caller.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'

const now = new Date('2026-06-01T12:00:00Z')
const trustDomain = TrustDomain.parse('example.org')
const till = {
  ...{ name: 'till-7', owner: 'shops', purpose: 'old tills', labels: { env: 'prod' } },
  ...{ networks: ['10.7.0.0/16', '2001:db8::/32'], resource: 'https://orders.example.org' },
  ...{ scopes: ['orders:read'], expiresAt: new Date('2026-08-01T00:00:00Z') },
}
const hash = keyHashOf(Buffer.alloc(32, 1))('a key of enough letters')

function entryOf(more: Partial<typeof till> = {}): Entry {
  return checkEntry(legacyEntry({ ...till, ...more }, hash, trustDomain, now), {
    ...{ trustDomain, now, newId: () => 'x', knowsTrustDomain: () => false, selectorTypes: [] },
  })
}

test('a caller is an entry with owner, purpose and end, which no agent can have, and comes back as it was', () => {
  const entry = entryOf()
  expect(entry).toMatchObject({
    ...{ id: `legacy.${hash}`, spiffeId: 'spiffe://example.org/legacy/till-7' },
    ...{ parentId: 'spiffe://example.org/spire/server', owner: 'shops', labels: { env: 'prod' } },
  })
  const { name, networks, resource, scopes } = till
  expect(legacyCallerOf(entry)).toEqual({ name, networks, resource, scopes })
})

test('a key is kept as an HMAC under a key of the server’s, and two are never the same', () => {
  expect(hash).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(keyHashOf(Buffer.alloc(32, 1))('a key of enough letters')).toBe(hash)
  expect(keyHashOf(Buffer.alloc(32, 2))('a key of enough letters')).not.toBe(hash)
  expect(() => checkKey('x'.repeat(15))).toThrow('16 to 1024')
  expect(() => checkKey('x'.repeat(1025))).toThrow('16 to 1024')
})

test.for<[Partial<typeof till>, string]>([
  [{ name: 'Till' }, 'legacy-name'],
  [{ name: '../x' }, 'legacy-name'],
  [{ owner: '' }, 'legacy-owner'],
  [{ purpose: '' }, 'legacy-owner'],
  [{ expiresAt: now }, 'legacy-expiry'],
  [{ expiresAt: new Date(now.getTime() + 91 * 86_400_000) }, 'legacy-expiry'],
  [{ networks: [] }, 'legacy-network'],
  [{ networks: Array.from({ length: 17 }, (_, at) => `10.${at}.0.0/16`) }, 'legacy-network'],
  [{ networks: ['0.0.0.0/0'] }, 'legacy-network'],
  [{ networks: ['10.0.0.0/7'] }, 'legacy-network'],
  [{ networks: ['2000::/3'] }, 'legacy-network'],
  [{ networks: ['10.7.0.1/16'] }, 'legacy-network'],
  // All of IPv4, in the clothes of IPv6.
  [{ networks: ['::/32'] }, 'legacy-network'],
  [{ networks: ['::ffff:0:0/96'] }, 'legacy-network'],
  [{ networks: ['::FFFF:10.0.0.0/104'] }, 'legacy-network'],
  [{ networks: ['10.0.0.0/x'] }, 'legacy-network'],
  [{ networks: ['everywhere'] }, 'legacy-network'],
])('%j is refused: %s', ([more, reason]) => {
  expect(() => entryOf(more)).toThrow(expect.objectContaining({ reason }))
})

describe('an entry that was made otherwise is no caller', () => {
  test.for<Partial<Entry>>([
    { owner: '' },
    { purpose: '' },
    { expiresAt: undefined },
    { expiresAt: new Date(now.getTime() + 92 * 86_400_000) },
    { id: 'other' },
    { spiffeId: SpiffeId.parse('spiffe://example.org/till-7') },
    { selectors: [...entryOf().selectors, { type: 'unix', value: 'uid:1' }] },
    { selectors: entryOf().selectors.map(({ value }) => ({ type: 'unix', value })) },
    {
      selectors: [...entryOf().selectors, { type: 'legacy', value: 'resource:https://b.example' }],
    },
    { selectors: [{ type: 'legacy', value: 'net:10.0.0.0/8' }] },
    { selectors: entryOf().selectors.filter(({ value }) => !value.startsWith('net:')) },
    { selectors: [...entryOf().selectors, { type: 'legacy', value: 'net:0.0.0.0/0' }] },
    { selectors: [...entryOf().selectors, { type: 'legacy', value: 'net:::/0' }] },
    { selectors: [...entryOf().selectors, { type: 'legacy', value: 'net:everywhere' }] },
  ])('%j', (more) => {
    expect(legacyCallerOf({ ...entryOf(), ...more })).toBeUndefined()
  })
})

test.for<[string, boolean]>([
  ['10.7.200.1', true],
  ['10.8.0.1', false],
  ['2001:db8::7', true],
  ['2001:db9::7', false],
  ['10.7.0.1.example', false],
  ['', false],
])('%s is within its networks: %s', ([address, within]) => {
  expect(isWithin(address, till.networks)).toBe(within)
})

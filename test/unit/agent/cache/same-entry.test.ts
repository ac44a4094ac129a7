import { expect, test } from 'vitest'
import { sameEntry } from '../../../../agent/cache/same-entry.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { entryOf } from './fixture.ts'

const entry = entryOf('/web', ['unix:uid:1'], {
  id: 'web',
  federatesWith: [TrustDomain.parse('a.test')],
  dnsNames: ['a'],
  labels: { tier: 'front' },
  expiresAt: new Date(1),
})

/** Each field with another value: a new field has to be named here. */
const others: Entry = {
  id: 'other',
  spiffeId: SpiffeId.parse('spiffe://example.org/other'),
  parentId: SpiffeId.parse('spiffe://example.org/other-node'),
  selectors: [{ type: 'unix', value: 'uid:2' }],
  x509SvidTtlSeconds: 7,
  jwtSvidTtlSeconds: 7,
  federatesWith: [TrustDomain.parse('b.test')],
  admin: true,
  downstream: true,
  expiresAt: new Date(2),
  disabledAt: new Date(2),
  dnsNames: ['a', 'b'],
  revision: 7,
  storeSvid: true,
  hint: 'other',
  createdAt: new Date(7),
  disableX509SvidPrefetch: true,
  jwtSvidIncludeJti: true,
  jwtSvidSingleUse: true,
  owner: 'other',
  purpose: 'other',
  labels: { tier: 'back' },
}

test('an entry read anew says the same', () => {
  expect(sameEntry(entry, structuredClone(entry))).toBe(true)
})

test.each(Object.keys(others) as (keyof Entry)[])('one with another %s does not', (field) => {
  expect(sameEntry(entry, { ...entry, [field]: others[field] })).toBe(false)
})

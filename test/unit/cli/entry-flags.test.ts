import { expect, test } from 'vitest'
import { entryOfFlags, maskOfFlags, saysNothing } from '../../../src/cli/entry-flags.ts'

const now = new Date('2026-01-01T00:00:00Z')
const expiry = (expires: string) => entryOfFlags({ expires }, now).entry?.expires_at

test('an entry ends at an instant, after a time, or never', () => {
  const seconds = now.getTime() / 1000
  expect(expiry('2026-01-02T00:00:00Z')).toBe(seconds + 86_400)
  expect(expiry('1h')).toBe(seconds + 3600)
  expect(expiry('never')).toBe(0)
  expect(() => expiry('tomorrow')).toThrow('not a duration')
  expect(() => expiry('2026-01-02T00:00:00')).toThrow('not a time')
})

test('what is said goes to the wire as it is meant', () => {
  const said = entryOfFlags(
    {
      spiffeId: 'spiffe://example.org/web/1',
      selector: ['unix:uid:1000', 'unix:path:/bin/a:b'],
      x509SvidTtl: '30m',
      federatesWith: ['spiffe://other.org', 'third.org'],
      label: ['tier=front', 'expression=a=b'],
      prefetch: false,
    },
    now,
  )
  expect(said).toMatchObject({
    entry: {
      spiffe_id: { trust_domain: 'example.org', path: '/web/1' },
      parent_id: null,
      selectors: [
        { type: 'unix', value: 'uid:1000' },
        { type: 'unix', value: 'path:/bin/a:b' },
      ],
      x509_svid_ttl: 1800,
      federates_with: ['other.org', 'third.org'],
      additional_attributes: { disable_x509_svid_prefetch: true, jwt_svid_include_jti: false },
    },
    labels: { tier: 'front', expression: 'a=b' },
  })
  expect(() => entryOfFlags({ label: ['front'] }, now)).toThrow('not a label')
})

test('an empty value takes a list or a time away, and is said', () => {
  const flags = { dnsName: [''], x509SvidTtl: '', label: [''] }
  expect(entryOfFlags(flags, now)).toMatchObject({
    entry: { dns_names: [], x509_svid_ttl: 0 },
    labels: {},
  })
  expect(maskOfFlags(flags)).toMatchObject({
    entry: { dns_names: true, x509_svid_ttl: true, jwt_svid_ttl: false },
    labels: true,
  })
})

test('an update that names no field says nothing', () => {
  expect(saysNothing({ id: 'x' })).toBe(true)
  expect(saysNothing({ id: 'x', admin: false })).toBe(false)
  expect(saysNothing({ id: 'x', jti: true })).toBe(false)
  expect(saysNothing({ id: 'x', owner: '' })).toBe(false)
})

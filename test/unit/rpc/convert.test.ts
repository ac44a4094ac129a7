import { describe, expect, test } from 'vitest'
import type { Bundle } from '../../../src/bundle/bundle.ts'
import type { Entry } from '../../../src/entry/entry.ts'
import {
  bundleFromWire,
  bundleToWire,
  entryFromWire,
  entryToWire,
  instantOf,
  maskEntry,
  registeredEntryToWire,
  secondsOf,
  spiffeIdFromWire,
  spiffeIdTextFromWire,
} from '../../../src/rpc/convert.ts'
import {
  allEntryFields,
  entryFieldsFromWire,
  entryMaskFromWire,
  registeredEntryFieldsFromWire,
} from '../../../src/rpc/convert-input.ts'
import type { EntryMask } from '../../../src/rpc/gen/spire/api/types/EntryMask.ts'
import { serviceDefinition } from '../../../src/rpc/services.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'

const trustDomain = TrustDomain.parse('example.org')
const entry: Entry = {
  id: 'e1',
  spiffeId: SpiffeId.parse('spiffe://example.org/web'),
  parentId: SpiffeId.parse('spiffe://example.org/spire/agent/join_token/n1'),
  selectors: [
    { type: 'unix', value: 'gid:7' },
    { type: 'unix', value: 'uid:7' },
  ],
  x509SvidTtlSeconds: 600,
  jwtSvidTtlSeconds: 300,
  federatesWith: [TrustDomain.parse('a.example'), TrustDomain.parse('b.example')],
  admin: true,
  downstream: false,
  expiresAt: new Date('2031-01-01T00:00:00Z'),
  disabledAt: new Date('2030-06-01T00:00:00Z'),
  dnsNames: ['web.example.org'],
  revision: 3,
  storeSvid: false,
  hint: 'main',
  createdAt: new Date('2030-01-01T00:00:00Z'),
  disableX509SvidPrefetch: true,
  jwtSvidIncludeJti: true,
  jwtSvidSingleUse: true,
  owner: 'team-web',
  purpose: 'the shop',
  labels: { tier: 'front' },
}
const bundle: Bundle = {
  trustDomain,
  x509Authorities: [{ certificate: Buffer.from('ca'), tainted: true }],
  jwtAuthorities: [
    { keyId: 'k1', publicKey: Buffer.from('key'), expiresAt: new Date(5000), tainted: false },
    { keyId: 'k2', publicKey: Buffer.from('key2'), expiresAt: undefined, tainted: true },
  ],
  sequence: 18_446_744_073_709_551_615n,
  refreshHintSeconds: 300,
}

describe('entries', () => {
  // Over the bytes, so that a field that one side forgets is seen.
  const get = serviceDefinition('spire.api.server.entry.v1.Entry').GetEntry
  const create = serviceDefinition('countersign.registry.v1.Registry').Get

  test('an entry comes back from the wire as it was, but for what stays with the server', () => {
    const wire = get.responseDeserialize(get.responseSerialize(entryToWire(entry)))
    expect(entryFromWire(wire)).toEqual({
      ...entry,
      ...{ owner: '', purpose: '', labels: {}, jwtSvidSingleUse: false },
      disabledAt: undefined,
    })
  })

  test('a registered entry keeps owner, purpose, labels, single use and that it is disabled; age and revision are not taken over', () => {
    const wire = create.responseDeserialize(create.responseSerialize(registeredEntryToWire(entry)))
    const { revision, createdAt, disabledAt, ...rest } = entry
    expect(registeredEntryFieldsFromWire(wire)).toEqual({ ...rest, disabled: true })
    expect([revision, createdAt, disabledAt]).not.toContain(undefined)
  })

  test('what no rule has seen yet goes through as it came', () => {
    const wire = get.responseDeserialize(
      get.responseSerialize({
        spiffe_id: { trust_domain: 'Example.ORG', path: '/..' },
        selectors: [{ type: '', value: '' }],
        federates_with: ['Not A Name'],
        x509_svid_ttl: -1,
      }),
    )
    expect(entryFieldsFromWire(wire)).toMatchObject({
      spiffeId: 'spiffe://Example.ORG/..',
      parentId: '',
      selectors: [{ type: '', value: '' }],
      federatesWith: ['Not A Name'],
      x509SvidTtlSeconds: -1,
      expiresAt: undefined,
    })
    expect(() => entryFromWire(wire)).toThrow(expect.objectContaining({ code: 'invalid' }))
  })

  test('a mask names fields by their own names; no mask names all', () => {
    const mask = {
      spiffe_id: true,
      additional_attributes: true,
      revision_number: true,
    } as EntryMask
    expect(entryMaskFromWire(mask)).toEqual(
      new Set(['spiffeId', 'disableX509SvidPrefetch', 'jwtSvidIncludeJti']),
    )
    expect(entryMaskFromWire(null)).toBeUndefined()
    const { id, owner, purpose, labels, jwtSvidSingleUse, revision, createdAt, ...more } = entry
    const { disabledAt, ...fields } = more
    expect(allEntryFields).toEqual(new Set(Object.keys(fields)))
    expect([id, owner, purpose, labels, jwtSvidSingleUse, revision, createdAt]).toHaveLength(7)
    expect(disabledAt).toBeDefined()
  })

  test('an output mask leaves the id and what it names', () => {
    const wire = entryToWire(entry)
    expect(maskEntry(wire, null)).toEqual(wire)
    expect(maskEntry(wire, { hint: true } as EntryMask)).toEqual({ id: 'e1', hint: 'main' })
  })
})

describe('IDs', () => {
  test('a slash in the trust domain cannot move the border between the parts', () => {
    const sly = { trust_domain: 'example.org/spire', path: '/server' }
    expect(() => spiffeIdFromWire(sly)).toThrow(expect.objectContaining({ code: 'invalid' }))
    expect(SpiffeId.tryParse(spiffeIdTextFromWire(sly))).toBeUndefined()
  })

  test('a missing ID is an error of its own', () => {
    expect(() => spiffeIdFromWire(null)).toThrow(
      expect.objectContaining({ reason: 'spiffe-id-missing' }),
    )
  })
})

describe('bundles', () => {
  const get = serviceDefinition('spire.api.server.bundle.v1.Bundle').GetBundle

  test('a bundle comes back whole, all 64 bits of its sequence number with it', () => {
    const wire = get.responseDeserialize(get.responseSerialize(bundleToWire(bundle)))
    expect(bundleFromWire(wire)).toEqual(bundle)
  })

  test('what is kept does not hold the message that it came in', () => {
    const wire = get.responseDeserialize(get.responseSerialize(bundleToWire(bundle)))
    const kept = bundleFromWire(wire).x509Authorities[0]?.certificate
    wire.x509_authorities[0]?.asn1.fill(0)
    expect(kept).toEqual(Buffer.from('ca'))
  })

  test.each(['-1', '99999999999'])('a refresh hint of %s seconds is refused', (refresh_hint) => {
    expect(() => bundleFromWire({ ...bundleToWire(bundle), refresh_hint })).toThrow(
      expect.objectContaining({ reason: 'wire-refresh-hint' }),
    )
  })
})

describe('instants', () => {
  test('0 is none, and a fraction of a second is cut', () => {
    expect(secondsOf(undefined)).toBe('0')
    expect(instantOf('0')).toBeUndefined()
    expect(secondsOf(new Date(1999))).toBe('1')
  })

  test('what no Date can hold is refused', () => {
    for (const seconds of ['9223372036854775807', '-9223372036854775808']) {
      expect(() => instantOf(seconds)).toThrow(expect.objectContaining({ reason: 'wire-instant' }))
    }
  })
})

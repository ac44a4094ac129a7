import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bundle } from '../../../src/bundle/bundle.ts'
import type { Entry } from '../../../src/entry/entry.ts'
import { sortSelectors } from '../../../src/entry/selector.ts'
import {
  bundleFromWire,
  bundleToWire,
  entryFromWire,
  entryToWire,
  instantOf,
  jwtSvidToWire,
  maskBundle,
  maskEntry,
  registeredEntryToWire,
  secondsOf,
  spiffeIdFromWire,
  spiffeIdTextFromWire,
  spiffeIdToWire,
  x509SvidToWire,
} from '../../../src/rpc/convert.ts'
import {
  allEntryFields,
  entryFieldsFromWire,
  entryMaskFromWire,
  registeredEntryFieldsFromWire,
  registeredEntryMaskFromWire,
} from '../../../src/rpc/convert-input.ts'
import type { BundleMask } from '../../../src/rpc/gen/spire/api/types/BundleMask.ts'
import type { EntryMask } from '../../../src/rpc/gen/spire/api/types/EntryMask.ts'
import { serviceDefinition } from '../../../src/rpc/services.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'

const word = fc.stringMatching(/^[a-z0-9]{1,12}$/)
const trustDomain = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,30}$/).map(TrustDomain.parse)
const path = fc
  .array(word, { maxLength: 4 })
  .map((segments) => segments.map((s) => `/${s}`).join(''))
const spiffeId = fc.tuple(trustDomain, path).map(([td, p]) => SpiffeId.of(td, p))
const text = fc.string({ unit: 'grapheme', maxLength: 40 }).map((t) => t.toWellFormed())
/** Whole seconds but 0, which stands for none. */
const instant = fc
  .integer({ min: -8.64e12, max: 8.64e12 })
  .filter((seconds) => seconds !== 0)
  .map((seconds) => new Date(seconds * 1000))
const bytes = fc.uint8Array({ maxLength: 64 }).map((b) => Buffer.from(b))
const ttl = fc.integer({ min: 0, max: 2 ** 31 - 1 })

const entry: fc.Arbitrary<Entry> = fc.record({
  id: word,
  spiffeId,
  parentId: spiffeId,
  selectors: fc.array(fc.record({ type: word, value: text }), { maxLength: 5 }).map(sortSelectors),
  x509SvidTtlSeconds: ttl,
  jwtSvidTtlSeconds: ttl,
  federatesWith: fc.array(trustDomain, { maxLength: 4 }).map((names) => [...new Set(names)].sort()),
  admin: fc.boolean(),
  downstream: fc.boolean(),
  expiresAt: fc.option(instant, { nil: undefined }),
  disabledAt: fc.option(instant, { nil: undefined }),
  dnsNames: fc.array(word, { maxLength: 3 }),
  revision: fc.maxSafeNat(),
  storeSvid: fc.boolean(),
  hint: text,
  createdAt: instant,
  disableX509SvidPrefetch: fc.boolean(),
  jwtSvidIncludeJti: fc.boolean(),
  jwtSvidSingleUse: fc.boolean(),
  owner: text,
  purpose: text,
  labels: fc.dictionary(word, text, { maxKeys: 4, noNullPrototype: true }),
})

const bundle: fc.Arbitrary<Bundle> = fc.record({
  trustDomain,
  x509Authorities: fc.array(fc.record({ certificate: bytes, tainted: fc.boolean() }), {
    maxLength: 4,
  }),
  jwtAuthorities: fc.array(
    fc.record({
      keyId: word,
      publicKey: bytes,
      expiresAt: fc.option(instant, { nil: undefined }),
      tainted: fc.boolean(),
    }),
    { maxLength: 4 },
  ),
  sequence: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  refreshHintSeconds: ttl,
})

// Through the bytes, so that what only one side knows is missed.
const entryRpc = serviceDefinition('spire.api.server.entry.v1.Entry').GetEntry
const registryRpc = serviceDefinition('countersign.registry.v1.Registry').Get
const bundleRpc = serviceDefinition('spire.api.server.bundle.v1.Bundle').GetBundle
const wireOf = (value: Entry) =>
  entryRpc.responseDeserialize(entryRpc.responseSerialize(entryToWire(value)))
const registeredWireOf = (value: Entry) =>
  registryRpc.responseDeserialize(registryRpc.responseSerialize(registeredEntryToWire(value)))
const bundleWireOf = (value: Bundle) =>
  bundleRpc.responseDeserialize(bundleRpc.responseSerialize(bundleToWire(value)))

describe('any value comes back as it was', () => {
  test('an entry, but for what stays with the server', () => {
    fc.assert(
      fc.property(entry, (value) => {
        const kept = { owner: '', purpose: '', labels: {}, jwtSvidSingleUse: false }
        const expected = { ...value, ...kept, disabledAt: undefined }
        expect(entryFromWire(wireOf(value))).toEqual(expected)
      }),
    )
  })

  test('an entry as input, but for what only the server says', () => {
    fc.assert(
      fc.property(entry, (value) => {
        const { revision: _, createdAt: __, disabledAt, ...expected } = value
        expect(registeredEntryFieldsFromWire(registeredWireOf(value))).toEqual({
          ...expected,
          disabled: disabledAt !== undefined,
        })
        const { owner, purpose, labels, jwtSvidSingleUse, ...plain } = expected
        expect([owner, purpose, labels, jwtSvidSingleUse]).not.toContain(undefined)
        expect(entryFieldsFromWire(wireOf(value))).toEqual(plain)
      }),
    )
  })

  test('a bundle with all 64 bits of its sequence number', () => {
    fc.assert(
      fc.property(bundle, (value) => {
        expect(bundleFromWire(bundleWireOf(value))).toEqual(value)
      }),
    )
  })

  test.each([0n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n])(
    'the sequence number %d',
    (sequence) => {
      const [value] = fc.sample(bundle, 1)
      if (value === undefined) throw new Error('no sample')
      expect(bundleFromWire(bundleWireOf({ ...value, sequence })).sequence).toBe(sequence)
    },
  )

  test('a SPIFFE ID', () => {
    fc.assert(
      fc.property(spiffeId, (id) => {
        expect(spiffeIdFromWire(spiffeIdToWire(id))).toBe(id)
        expect(spiffeIdTextFromWire(spiffeIdToWire(id))).toBe(id)
      }),
    )
  })

  test('an instant of whole seconds', () => {
    fc.assert(
      fc.property(instant, (value) => {
        expect(instantOf(secondsOf(value))).toEqual(value)
      }),
    )
  })
})

describe('parts of an ID that a peer made up', () => {
  test('text that comes of them is refused or has the trust domain that was named', () => {
    const part = fc.oneof(text, fc.constantFrom('spiffe://', 'a.b', 'a/b', '//', '/..', '/a/../b'))
    fc.assert(
      fc.property(part, part, (trust_domain, path) => {
        const id = SpiffeId.tryParse(spiffeIdTextFromWire({ trust_domain, path }))
        if (id === undefined) return
        const name = trust_domain.replace('spiffe://', '')
        // A path that does not begin with a slash continues the name: it is no way into another part.
        expect(SpiffeId.trustDomainOf(id).startsWith(name)).toBe(true)
      }),
    )
  })

  test.each([
    [{ trust_domain: '', path: '/web' }],
    [{ trust_domain: 'Example.org', path: '/web' }],
    [{ trust_domain: 'example.org', path: 'web' }],
    [{ trust_domain: 'example.org', path: '/' }],
    [{ trust_domain: 'example.org', path: '/a//b' }],
    [{ trust_domain: 'example.org', path: '/../b' }],
    [{ trust_domain: 'example.org', path: '/%61' }],
    [{ trust_domain: 'example.org', path: `/${'a'.repeat(2048)}` }],
  ])('%j is refused', (parts) => {
    expect(reasonOf(() => spiffeIdFromWire(parts))).toMatch(/^(spiffe-id|trust-domain)-/)
  })

  test('an absent ID is refused where one is needed, and empty where one is not', () => {
    expect(reasonOf(() => spiffeIdFromWire(undefined))).toBe('spiffe-id-missing')
    expect(spiffeIdTextFromWire(undefined)).toBe('')
  })
})

describe('numbers', () => {
  test.each([
    '8640000000001',
    '-8640000000001',
    '9223372036854775807',
    '1.5',
    'NaN',
    'Infinity',
    'x',
  ])('the instant %s is refused', (seconds) => {
    expect(reasonOf(() => instantOf(seconds))).toBe('wire-instant')
  })

  test('the last instants of a Date are not refused', () => {
    expect(instantOf('8640000000000')).toEqual(new Date(8.64e15))
    expect(instantOf('-8640000000000')).toEqual(new Date(-8.64e15))
  })

  test('an instant before 1970 is cut towards the past, never later than it was', () => {
    expect(secondsOf(new Date(-1))).toBe('-1')
    expect(secondsOf(new Date(1999))).toBe('1')
  })

  test('an entry and a bundle with an instant out of range are refused', () => {
    const [value] = fc.sample(entry, 1)
    const [authorities] = fc.sample(bundle, 1)
    if (value === undefined || authorities === undefined) throw new Error('no sample')
    const far = '9223372036854775807'
    const late = { ...entryToWire(value), expires_at: far }
    expect(reasonOf(() => entryFromWire(late))).toBe('wire-instant')
    expect(reasonOf(() => entryFieldsFromWire(late))).toBe('wire-instant')
    const key = { public_key: Buffer.alloc(0), key_id: 'k', expires_at: far, tainted: false }
    expect(
      reasonOf(() => bundleFromWire({ ...bundleToWire(authorities), jwt_authorities: [key] })),
    ).toBe('wire-instant')
  })

  test.each(['2147483648', '-1', '9223372036854775807'])(
    'the refresh hint %s is refused',
    (hint) => {
      const [value] = fc.sample(bundle, 1)
      if (value === undefined) throw new Error('no sample')
      expect(reasonOf(() => bundleFromWire({ ...bundleToWire(value), refresh_hint: hint }))).toBe(
        'wire-refresh-hint',
      )
    },
  )
})

describe('masks', () => {
  const maskNames = Object.keys(entryMaskFieldsOf())

  function entryMaskFieldsOf(): Record<string, unknown> {
    const list = serviceDefinition('spire.api.server.entry.v1.Entry').ListEntries
    const request = list.requestDeserialize(list.requestSerialize({ output_mask: {} }))
    return { ...request.output_mask }
  }

  test('an output mask leaves the id and just what it names', () => {
    fc.assert(
      fc.property(entry, fc.subarray(maskNames), (value, named) => {
        const mask = Object.fromEntries(maskNames.map((n) => [n, named.includes(n)]))
        const kept = Object.keys(maskEntry(entryToWire(value), mask as unknown as EntryMask))
        expect(kept.toSorted()).toEqual(['id', ...named].toSorted())
      }),
    )
  })

  test('every name that a mask can hold is a field of the message', () => {
    const [value] = fc.sample(entry, 1)
    if (value === undefined) throw new Error('no sample')
    expect(Object.keys(entryToWire(value))).toEqual(expect.arrayContaining(maskNames))
    expect(Object.keys(entryToWire(value))).toHaveLength(maskNames.length + 1)
  })

  test('a mask of a bundle leaves the trust domain and what it names', () => {
    const [value] = fc.sample(bundle, 1)
    if (value === undefined) throw new Error('no sample')
    const wire = bundleToWire(value)
    expect(maskBundle(wire, undefined)).toEqual(wire)
    expect(Object.keys(maskBundle(wire, {} as BundleMask))).toEqual(['trust_domain'])
    const named = { sequence_number: true, x509_authorities: false } as BundleMask
    expect(maskBundle(wire, named)).toEqual({
      trust_domain: value.trustDomain,
      sequence_number: String(value.sequence),
    })
  })

  test('an input mask chooses all, none, or what it names', () => {
    const all = Object.fromEntries(maskNames.map((n) => [n, true])) as unknown as EntryMask
    expect(entryMaskFromWire(all)).toEqual(allEntryFields)
    expect(entryMaskFromWire({} as EntryMask)).toEqual(new Set())
    expect(entryMaskFromWire(undefined)).toBeUndefined()
    expect(registeredEntryMaskFromWire(null)).toBeUndefined()
    const outer = { owner: true, purpose: false, labels: true, jwt_svid_single_use: true }
    expect(registeredEntryMaskFromWire({ ...outer, entry: null })).toEqual(
      new Set(['owner', 'labels', 'jwtSvidSingleUse']),
    )
    expect(registeredEntryMaskFromWire({ ...outer, entry: all })).toEqual(
      new Set([...allEntryFields, 'owner', 'labels', 'jwtSvidSingleUse']),
    )
  })

  test('what belongs to the server cannot be chosen', () => {
    const mask = { revision_number: true, created_at: true } as EntryMask
    expect(entryMaskFromWire(mask)).toEqual(new Set())
  })
})

describe('SVIDs on the wire', () => {
  const id = SpiffeId.parse('spiffe://example.org/web')

  test('an X.509-SVID goes without a key', () => {
    const svid = { spiffeId: id, chain: [Buffer.from('leaf')], expiresAt: new Date(5999) }
    const withKey = { ...svid, privateKey: Buffer.from('secret') }
    expect(x509SvidToWire(withKey)).toEqual({
      cert_chain: [Buffer.from('leaf')],
      id: { trust_domain: 'example.org', path: '/web' },
      expires_at: '5',
      hint: '',
    })
  })

  test('a JWT-SVID', () => {
    const svid = { token: 't', spiffeId: id, expiresAt: new Date(5000), issuedAt: new Date(4000) }
    expect(jwtSvidToWire({ ...svid, hint: 'h' })).toEqual({
      token: 't',
      id: { trust_domain: 'example.org', path: '/web' },
      expires_at: '5',
      issued_at: '4',
      hint: 'h',
    })
  })
})

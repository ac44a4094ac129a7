import { describe, expect, test } from 'vitest'
import { createBundles } from '../../../../server/bundle/bundles.ts'
import { ownBundle } from '../../../../server/bundle/own-bundle.ts'
import type { AuthorityRecord } from '../../../../server/store/records.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'

const own = TrustDomain.parse('example.org')
const peer = TrustDomain.parse('example.com')

function record(id: string, change: Partial<AuthorityRecord> = {}): AuthorityRecord {
  return {
    id,
    kind: 'x509',
    slot: 'active',
    keyKind: 'ec-p256',
    publicKey: Buffer.from(`key ${id}`),
    certificate: Buffer.from(`certificate ${id}`),
    sealedKey: Buffer.from('sealed'),
    notBefore: new Date(0),
    notAfter: new Date(1000),
    tainted: false,
    ...change,
  }
}

function empty(trustDomain: TrustDomain): Bundle {
  return {
    trustDomain,
    x509Authorities: [],
    jwtAuthorities: [],
    sequence: 1n,
    refreshHintSeconds: 0,
  }
}

describe('the own bundle', () => {
  test('publishes prepared, active and old authorities, oldest first, and nothing secret', () => {
    const bundle = ownBundle(
      own,
      [
        record('c', { slot: 'prepared', notBefore: new Date(2) }),
        record('a', { slot: 'old' }),
        record('b', { notBefore: new Date(1) }),
        record('j', { kind: 'jwt' }),
      ],
      300,
      undefined,
    )
    expect(bundle.x509Authorities.map(({ certificate }) => certificate.toString())).toEqual([
      'certificate a',
      'certificate b',
      'certificate c',
    ])
    expect(bundle.jwtAuthorities).toEqual([
      { keyId: 'j', publicKey: Buffer.from('key j'), expiresAt: new Date(1000), tainted: false },
    ])
    expect(bundle).toMatchObject({ sequence: 1n, refreshHintSeconds: 300 })
  })

  test('TDB-05 its sequence grows with each change of content and with nothing else', () => {
    const first = ownBundle(own, [record('a')], 300, undefined)
    expect(ownBundle(own, [record('a', { slot: 'old' })], 300, first)).toBe(first)
    const changes = [
      ownBundle(own, [record('a'), record('b')], 300, first),
      ownBundle(own, [record('a', { tainted: true })], 300, first),
      ownBundle(own, [record('a')], 60, first),
      ownBundle(own, [], 300, first),
      ownBundle(own, [record('a'), record('j', { kind: 'jwt' })], 300, first),
    ]
    expect(changes.map(({ sequence }) => sequence)).toEqual([2n, 2n, 2n, 2n, 2n])
  })
})

describe('the bundles in memory', () => {
  test('follow the changes', () => {
    const bundles = createBundles(own)
    expect(() => bundles.own()).toThrow(expect.objectContaining({ reason: 'bundle-missing' }))
    bundles.apply({
      bundles: new Map([
        [own, empty(own)],
        [peer, empty(peer)],
      ]),
    })
    expect(bundles.own().trustDomain).toBe(own)
    expect(bundles.bundleOf(peer)?.trustDomain).toBe(peer)
    expect(bundles.federated().map(({ trustDomain }) => trustDomain)).toEqual([peer])
    bundles.apply({ bundles: new Map([[peer, undefined]]) })
    expect(bundles.bundleOf(peer)).toBeUndefined()
    expect(bundles.own()).toBeDefined()
  })
})

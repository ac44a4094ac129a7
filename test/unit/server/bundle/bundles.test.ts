import { describe, expect, test } from 'vitest'
import { createBundles } from '../../../../server/bundle/bundles.ts'
import { ownBundle } from '../../../../server/bundle/own-bundle.ts'
import type { AuthorityRecord } from '../../../../server/store/records.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { root } from '../../../support/x509-fixtures.ts'

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

/** The bundle after a step from some authorities to others. */
function step(
  authorities: readonly AuthorityRecord[],
  previous?: Bundle,
  options: {
    readonly before?: readonly AuthorityRecord[]
    readonly refreshHintSeconds?: number
    readonly now?: Date
  } = {},
): Bundle {
  return ownBundle({
    trustDomain: own,
    before: [record('a')],
    authorities,
    refreshHintSeconds: 300,
    previous,
    now: new Date(5),
    ...options,
  })
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
    const bundle = step([
      record('c', { slot: 'prepared', notBefore: new Date(2) }),
      record('a', { slot: 'old' }),
      record('b', { notBefore: new Date(1) }),
      record('j', { kind: 'jwt' }),
    ])
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
    const first = step([record('a')])
    expect(step([record('a', { slot: 'old' })], first)).toBe(first)
    const changes = [
      step([record('a'), record('b')], first),
      step([record('a', { tainted: true })], first),
      step([record('a')], first, { refreshHintSeconds: 60 }),
      step([], first),
      step([record('a'), record('j', { kind: 'jwt' })], first),
    ]
    expect(changes.map(({ sequence }) => sequence)).toEqual([2n, 2n, 2n, 2n, 2n])
  })

  test('what others have appended stays through rotations until it ends', async () => {
    const { der, certificate } = await root('appended')
    const previous: Bundle = {
      ...step([record('a')]),
      x509Authorities: [
        { certificate: Buffer.from('certificate a'), tainted: false },
        { certificate: der, tainted: false },
      ],
      jwtAuthorities: [
        { keyId: 'k', publicKey: Buffer.from('k'), expiresAt: new Date(6), tainted: false },
      ],
    }
    const next = step([record('b')], previous)
    expect(next.x509Authorities.map(({ certificate }) => certificate)).toEqual([
      Buffer.from('certificate b'),
      der,
    ])
    expect(next.jwtAuthorities).toEqual(previous.jwtAuthorities)
    const late = step([record('c')], next, {
      before: [record('b')],
      now: new Date(certificate.notAfter.getTime() + 1),
    })
    expect(late.x509Authorities).toHaveLength(1)
    expect(late.jwtAuthorities).toEqual([])
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

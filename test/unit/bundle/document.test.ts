import { describe, expect, test } from 'vitest'
import type { Bundle } from '../../../src/bundle/bundle.ts'
import {
  jwtBundleJwks,
  parseJwtBundleJwks,
  sameBundle,
  x509BundleDer,
} from '../../../src/bundle/document.ts'
import { TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { generateKeyPair, spkiOf } from '../../../src/x509/key.ts'

const spki = spkiOf((await generateKeyPair('ec-p256')).publicKey)
const key = { keyId: 'k', publicKey: spki, expiresAt: new Date(5), tainted: false }
const bundle: Bundle = {
  trustDomain: TrustDomain.parse('example.org'),
  x509Authorities: [
    { certificate: Buffer.from('one'), tainted: false },
    { certificate: Buffer.from('two'), tainted: false },
  ],
  jwtAuthorities: [key, { ...key, keyId: 'l' }],
  sequence: 1n,
  refreshHintSeconds: 300,
}

describe('what the Workload API carries', () => {
  test('X.509 authorities are one DER after the other', () => {
    expect(x509BundleDer(bundle).toString()).toBe('onetwo')
  })

  test('JWT authorities are a JWK Set with their use', () => {
    const set = JSON.parse(jwtBundleJwks(bundle).toString()) as { keys: object[] }
    expect(Object.keys(set)).toEqual(['keys'])
    expect(set.keys).toMatchObject([
      { use: 'jwt-svid', kid: 'k', kty: 'EC' },
      { use: 'jwt-svid', kid: 'l', kty: 'EC' },
    ])
  })

  test('a JWK Set is read back, with or without use, but not with another', () => {
    const [first] = (JSON.parse(jwtBundleJwks(bundle).toString()) as { keys: object[] }).keys
    const read = (use: unknown) =>
      parseJwtBundleJwks(Buffer.from(JSON.stringify({ keys: [{ ...first, use }] })))
    const expected = [{ keyId: 'k', publicKey: spki, expiresAt: undefined, tainted: false }]
    expect(read('jwt-svid')).toEqual(expected)
    expect(read(undefined)).toEqual(expected)
    expect(read('x509-svid')).toEqual([])
    expect(read('sig')).toEqual([])
  })

  test('a bundle without JWT authorities is an empty set', () => {
    expect(jwtBundleJwks({ ...bundle, jwtAuthorities: [] }).toString()).toBe('{"keys":[]}')
  })
})

describe('sameness', () => {
  test('neither the sequence nor the order makes a difference', () => {
    const other = {
      ...bundle,
      sequence: 9n,
      x509Authorities: bundle.x509Authorities.toReversed(),
      jwtAuthorities: bundle.jwtAuthorities.toReversed(),
    }
    expect(sameBundle(bundle, other)).toBe(true)
  })

  test.each([
    ['another trust domain', { trustDomain: TrustDomain.parse('example.com') }],
    ['another hint', { refreshHintSeconds: 301 }],
    ['an authority less', { x509Authorities: bundle.x509Authorities.slice(1) }],
    [
      'an authority twice',
      {
        x509Authorities: bundle.x509Authorities
          .slice(0, 1)
          .concat(bundle.x509Authorities.slice(0, 1)),
      },
    ],
    [
      'a tainted authority',
      { x509Authorities: bundle.x509Authorities.map((a, i) => ({ ...a, tainted: i === 0 })) },
    ],
    [
      'a tainted key',
      {
        jwtAuthorities: [
          { ...key, tainted: true },
          { ...key, keyId: 'l' },
        ],
      },
    ],
    ['another key id', { jwtAuthorities: [key, { ...key, keyId: 'm' }] }],
    ['another expiry', { jwtAuthorities: [key, { ...key, keyId: 'l', expiresAt: new Date(6) }] }],
    ['no expiry', { jwtAuthorities: [key, { ...key, keyId: 'l', expiresAt: undefined }] }],
    ['another key', { jwtAuthorities: [key, { ...key, keyId: 'l', publicKey: Buffer.from('x') }] }],
  ])('%s makes a difference', (_what, changes) => {
    expect(sameBundle(bundle, { ...bundle, ...changes })).toBe(false)
  })
})

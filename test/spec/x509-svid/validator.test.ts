import { beforeAll, describe, expect, test } from 'vitest'
import { verifyX509Svid } from '../../../src/svid/x509-svid.ts'
import { derNull } from '../../../src/x509/der-write.ts'
import { extension } from '../../../src/x509/encode.ts'
import {
  bundleOf,
  certificateDer,
  DAY_MS,
  issued,
  type Made,
  NOW,
  nameConstraints,
  party,
  reasonOf,
  root,
  type Shape,
  sourceOf,
} from '../../support/x509-fixtures.ts'

const uris = ['spiffe://example.org/web']
let ca: Made
let stranger: Made

beforeAll(async () => {
  ca = await root('CA', { uris: ['spiffe://example.org'] })
  stranger = await root('stranger', { uris: ['spiffe://other.org'] })
})

async function verdict(shape: Shape, subject = 'leaf'): Promise<string> {
  const der = await certificateDer(await party(subject), ca, shape)
  const source = sourceOf(bundleOf('example.org', ca), bundleOf('other.org', stranger))
  return reasonOf(() => verifyX509Svid([der], source, NOW))
}

describe('a leaf is accepted', () => {
  const many = Array.from({ length: 20 }, (_, i) => `name-${i}.example.org`)
  const cases: readonly (readonly [string, Shape, string?])[] = [
    ['as it should be', { uris }],
    ['X509-04 with 20 DNS names and an address', { uris, dnsNames: many, ips: [Buffer.alloc(16)] }],
    ['X509-07 with an empty subject', { uris }, ''],
    [
      'X509-19 with all three usages of leaves',
      { uris, usage: ['digitalSignature', 'keyEncipherment', 'keyAgreement'] },
    ],
    ['without basic constraints, which means no CA', { uris, basicConstraints: null }],
    [
      'with an unknown extension that is not critical',
      { uris, extra: [extension('1.2.3', derNull())] },
    ],
  ]
  for (const [title, shape, subject] of cases) {
    test(title, async () => {
      expect(await verdict(shape, subject)).toBe('ok')
    })
  }

  test('X509-24 below an authority of its trust domain', async () => {
    const middle = await issued('middle', ca, { ca: true, uris: ['spiffe://example.org'] })
    const leaf = await issued('leaf', middle, { uris })
    const source = sourceOf(bundleOf('example.org', ca))
    const found = verifyX509Svid([leaf.der, middle.der], source, NOW)
    expect(found.spiffeId).toBe('spiffe://example.org/web')
    expect(found.leaf.der).toEqual(leaf.der)
  })
})

describe('a leaf is refused', () => {
  const cases: readonly (readonly [string, string, Shape, string?])[] = [
    ['X509-02 with a second URI', 'svid-uri-count', { uris: [...uris, 'https://x.example'] }],
    [
      'X509-02 with a second SPIFFE ID',
      'svid-uri-count',
      { uris: [...uris, 'spiffe://example.org/b'] },
    ],
    ['X509-02 with its URI twice', 'svid-uri-count', { uris: [...uris, ...uris] }],
    ['X509-03 without a name', 'svid-uri-count', {}],
    ['X509-03 with a DNS name alone', 'svid-uri-count', { dnsNames: ['web.example.org'] }],
    ['X509-03 with its URI as common name', 'svid-uri-count', {}, 'spiffe://example.org/web'],
    ['X509-06 without a path', 'svid-root-path', { uris: ['spiffe://example.org'] }],
    [
      'X509-24 of yesterday',
      'svid-chain-expired',
      { uris, notAfter: new Date(NOW.getTime() - DAY_MS / 2) },
    ],
    [
      'X509-24 of tomorrow',
      'svid-chain-not-yet-valid',
      { uris, notBefore: new Date(NOW.getTime() + 1000) },
    ],
    [
      'X509-24 with an unknown critical extension',
      'svid-chain-unknown-critical-extension',
      { uris, extra: [extension('1.2.3', derNull(), true)] },
    ],
    ['X509-25 with the CA bit', 'svid-leaf-is-ca', { uris, ca: true, usage: ['digitalSignature'] }],
    [
      'X509-26 that may sign certificates',
      'svid-key-usage',
      { uris, usage: ['digitalSignature', 'keyCertSign'] },
    ],
    [
      'X509-26 that may sign CRLs',
      'svid-key-usage',
      { uris, usage: ['digitalSignature', 'cRLSign'] },
    ],
    ['X509-27 of another scheme', 'svid-id', { uris: ['https://example.org/web'] }],
    ['X509-27 with a dot segment', 'svid-id', { uris: ['spiffe://example.org/a/../b'] }],
    ['X509-27 with a trailing slash', 'svid-id', { uris: ['spiffe://example.org/a/'] }],
    ['X509-27 with an upper-case trust domain', 'svid-id', { uris: ['spiffe://Example.org/a'] }],
    ['X509-27 with a query', 'svid-id', { uris: ['spiffe://example.org/a?b'] }],
    [
      'X509-28 WLA-14 of a trust domain that is not known',
      'svid-no-bundle',
      { uris: ['spiffe://third.org/web'] },
    ],
    [
      'ID-25, X509-28, WLA-14, FED-36, T33 signed by an authority of another trust domain',
      'svid-chain-unknown-authority',
      { uris: ['spiffe://other.org/web'] },
    ],
  ]
  for (const [title, reason, shape, subject] of cases) {
    test(title, async () => {
      expect(await verdict(shape, subject)).toBe(reason)
    })
  }
})

describe('X509-24 a chain is refused', () => {
  const source = () => sourceOf(bundleOf('example.org', ca))
  const under = async (shape: Shape, more: Shape = {}) => {
    const middle = await issued('middle', ca, { uris: ['spiffe://example.org'], ...shape })
    const leaf = await issued('leaf', middle, { uris, ...more })
    return reasonOf(() => verifyX509Svid([leaf.der, middle.der], source(), NOW))
  }

  test.each<[string, string, Shape]>([
    [
      'whose authority lacks the CA bit',
      'svid-chain-not-a-ca',
      { ca: false, usage: ['keyCertSign'] },
    ],
    ['whose authority may not sign', 'svid-chain-key-usage', { ca: true, usage: ['cRLSign'] }],
    ['whose authority is a leaf', 'svid-chain-not-a-ca', { ca: false }],
    [
      'X509-16 whose leaf is outside the name constraints',
      'svid-chain-name-constraints',
      { ca: true, extra: [nameConstraints([[0x86, 'other.org']])] },
    ],
  ])('%s', async (_title, reason, shape) => {
    expect(await under(shape)).toBe(reason)
  })

  test('X509-13 that is longer than an authority allows', async () => {
    const short = await root('short', { pathLength: 0 })
    const middle = await issued('middle', short, { ca: true })
    const leaf = await issued('leaf', middle, { uris })
    const bundles = sourceOf(bundleOf('example.org', short))
    expect(reasonOf(() => verifyX509Svid([leaf.der, middle.der], bundles, NOW))).toBe(
      'svid-chain-path-length',
    )
  })

  test('X509-12 that begins with an authority', async () => {
    expect(reasonOf(() => verifyX509Svid([ca.der], source(), NOW))).toBe('svid-root-path')
  })

  test('T33 signed by a stranger whose root is shown along', async () => {
    const leaf = await issued('leaf', stranger, { uris })
    expect(reasonOf(() => verifyX509Svid([leaf.der, stranger.der], source(), NOW))).toBe(
      'svid-chain-unknown-authority',
    )
  })

  test('X509-36 TDB-11 of a trust domain without authorities', async () => {
    const leaf = await issued('leaf', ca, { uris })
    const empty = sourceOf(bundleOf('example.org'))
    expect(reasonOf(() => verifyX509Svid([leaf.der], empty, NOW))).toBe(
      'svid-chain-unknown-authority',
    )
  })
})

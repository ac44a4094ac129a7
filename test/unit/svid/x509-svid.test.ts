import { beforeAll, describe, expect, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { verifyX509Svid, x509SvidFrom } from '../../../src/svid/x509-svid.ts'
import { generateKeyPair, softwareSigner } from '../../../src/x509/key.ts'
import {
  bundleOf,
  certify,
  issued,
  type Made,
  NOW,
  partyWith,
  reasonOf,
  root,
  sourceOf,
} from '../../support/x509-fixtures.ts'

const uris = ['spiffe://example.org/web']
let ca: Made

beforeAll(async () => {
  ca = await root('CA')
})

describe('a presented chain', () => {
  test('is refused as unauthenticated, whatever is wrong with it', async () => {
    const source = sourceOf(bundleOf('example.org', ca))
    const expired = { uris, notAfter: new Date(NOW.getTime() - 5000) }
    const chains = [[], [Buffer.from('x')], [(await issued('leaf', ca, expired)).der]]
    for (const chain of chains) {
      let error: unknown
      try {
        verifyX509Svid(chain, source, NOW)
      } catch (thrown) {
        error = thrown
      }
      expect(error).toBeInstanceOf(CountersignError)
      expect(error).toMatchObject({
        code: 'unauthenticated',
        reason: expect.stringMatching(/^svid-/),
      })
    }
  })

  test('is refused where one of its certificates cannot be read', async () => {
    const leaf = await issued('leaf', ca, { uris })
    const source = sourceOf(bundleOf('example.org', ca))
    const broken = Buffer.concat([ca.der, Buffer.of(0)])
    expect(reasonOf(() => verifyX509Svid([leaf.der, broken], source, NOW))).toBe(
      'svid-certificate-malformed',
    )
  })

  test('is refused at eleven certificates', () => {
    const chain = Array.from({ length: 11 }, () => ca.der)
    expect(reasonOf(() => verifyX509Svid(chain, sourceOf(), NOW))).toBe('svid-too-long')
  })

  test('is accepted where the root is shown along', async () => {
    const leaf = await issued('leaf', ca, { uris })
    const source = sourceOf(bundleOf('example.org', ca))
    expect(reasonOf(() => verifyX509Svid([leaf.der, ca.der], source, NOW))).toBe('ok')
  })

  test('is accepted where its authority is tainted', async () => {
    const leaf = await issued('leaf', ca, { uris })
    const bundle = bundleOf('example.org', ca)
    const x509Authorities = bundle.x509Authorities.map((a) => ({ ...a, tainted: true }))
    const source = sourceOf({ ...bundle, x509Authorities })
    expect(reasonOf(() => verifyX509Svid([leaf.der], source, NOW))).toBe('ok')
  })

  test('is judged by the bundle of now, not by one of before', async () => {
    const leaf = await issued('leaf', ca, { uris })
    const [before, after] = [bundleOf('example.org', ca), bundleOf('example.org', await root('CA'))]
    expect(reasonOf(() => verifyX509Svid([leaf.der], sourceOf(before), NOW))).toBe('ok')
    expect(reasonOf(() => verifyX509Svid([leaf.der], sourceOf(after), NOW))).toBe(
      'svid-chain-unknown-authority',
    )
    expect(reasonOf(() => verifyX509Svid([leaf.der], sourceOf(before), NOW))).toBe('ok')
  })

  test('is accepted where another authority of the bundle cannot be read', async () => {
    const leaf = await issued('leaf', ca, { uris })
    const source = sourceOf(bundleOf('example.org', { der: Buffer.from('no certificate') }, ca))
    expect(reasonOf(() => verifyX509Svid([leaf.der], source, NOW))).toBe('ok')
  })
})

describe('an SVID of a chain and a key', () => {
  const pkcs8 = async () => {
    const { privateKey } = await generateKeyPair('ec-p256')
    const subject = partyWith('leaf', softwareSigner(privateKey))
    return { subject, key: privateKey.export({ format: 'der', type: 'pkcs8' }) }
  }

  test('has the ID and the dates of its leaf', async () => {
    const { subject, key } = await pkcs8()
    const { der, certificate } = await certify(subject, ca, { uris })
    expect(x509SvidFrom([der], key)).toEqual({
      spiffeId: 'spiffe://example.org/web',
      chain: [der],
      privateKey: key,
      notBefore: certificate.notBefore,
      expiresAt: certificate.notAfter,
    })
  })

  test('is refused with the key of another, or none', async () => {
    const [{ subject, key }, other] = [await pkcs8(), await pkcs8()]
    const { der } = await certify(subject, ca, { uris })
    expect(reasonOf(() => x509SvidFrom([der], other.key))).toBe('svid-key')
    expect(reasonOf(() => x509SvidFrom([der], Buffer.from('x')))).toBe('svid-key')
    expect(reasonOf(() => x509SvidFrom([], key))).toBe('svid-chain-empty')
    expect(reasonOf(() => x509SvidFrom([Buffer.alloc(3)], key))).toBe('svid-certificate-malformed')
  })

  test('X509-06 X509-25 is refused for a trust domain itself, and for an authority', async () => {
    const { subject, key } = await pkcs8()
    const bare = await certify(subject, ca, { uris: ['spiffe://example.org'] })
    expect(reasonOf(() => x509SvidFrom([bare.der], key))).toBe('svid-root-path')
    const signing = await certify(subject, ca, { uris, ca: true })
    expect(reasonOf(() => x509SvidFrom([signing.der], key))).toBe('svid-leaf-is-ca')
  })

  test('X509-19 is refused with a key that may not sign', async () => {
    const { subject, key } = await pkcs8()
    for (const usage of [['keyEncipherment'], null]) {
      const { der } = await certify(subject, ca, { uris, usage })
      expect(reasonOf(() => x509SvidFrom([der], key))).toBe('svid-key-usage')
    }
  })

  test('X509-14 X509-18 is refused with a certificate behind its own that may not sign others', async () => {
    const { subject, key } = await pkcs8()
    const { der } = await certify(subject, ca, { uris })
    expect(reasonOf(() => x509SvidFrom([der, ca.der], key))).toBe('ok')
    const behind = [
      await issued('leaf', ca, { uris }),
      await issued('ca', ca, { ca: true, usage: ['cRLSign'] }),
      await issued('ca', ca, { ca: true, usage: null }),
    ]
    for (const one of behind) {
      expect(reasonOf(() => x509SvidFrom([der, one.der], key))).toBe('svid-signer')
    }
    expect(reasonOf(() => x509SvidFrom([der, Buffer.alloc(3)], key))).toBe(
      'svid-certificate-malformed',
    )
  })
})

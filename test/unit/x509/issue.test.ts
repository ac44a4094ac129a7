import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { verifyChain } from '../../../src/x509/chain.ts'
import { sequence } from '../../../src/x509/der-write.ts'
import {
  type CertificateAuthority,
  issueIntermediateCa,
  issueLeaf,
  issueRootCa,
} from '../../../src/x509/issue.ts'
import {
  generateKeyPair,
  type KeyKind,
  type Signer,
  softwareSigner,
  spkiOf,
  subjectKeyIdOf,
} from '../../../src/x509/key.ts'
import { lintCa, lintLeaf } from '../../../src/x509/lint.ts'
import { OID } from '../../../src/x509/oids.ts'
import {
  certificateDer,
  DAY_MS,
  NOW,
  nameOf,
  opensslAccepts,
  partyWith,
  reasonOf,
  reasonOfAsync,
  type Shape,
} from '../../support/x509-fixtures.ts'

const trustDomain = TrustDomain.parse('example.org')
const spiffeId = SpiffeId.parse('spiffe://example.org/web')
const HOUR_MS = DAY_MS / 24
const later = (ms: number) => new Date(NOW.getTime() + ms)
let ca: CertificateAuthority
let workload: Signer

async function newSigner(kind: KeyKind = 'ec-p256'): Promise<Signer> {
  return softwareSigner((await generateKeyPair(kind)).privateKey)
}

async function newCa(kind?: KeyKind, notAfter = later(DAY_MS)): Promise<CertificateAuthority> {
  const signer = await newSigner(kind)
  const der = await issueRootCa({ trustDomain, signer, notBefore: NOW, notAfter })
  return { certificate: parseCertificate(der), signer }
}

function template(more: object = {}) {
  const spki = spkiOf(workload.publicKey)
  return { spiffeId, spki, notBefore: NOW, notAfter: later(HOUR_MS), ...more }
}

beforeAll(async () => {
  ca = await newCa()
  workload = await newSigner()
})

describe.each<KeyKind>(['ec-p256', 'ec-p384', 'ec-p521', 'rsa-2048', 'ed25519'])(
  'an authority with a key of kind %s',
  (kind) => {
    test('issues leaves that Node, openssl and our own check accept', async () => {
      const authority = await newCa(kind)
      const der = await issueLeaf(template({ dnsNames: ['web.example.org'] }), authority)
      const leaf = parseCertificate(der)
      const roots = [authority.certificate]
      expect(verifyChain({ leaf, intermediates: [], roots, now: NOW })).toHaveLength(2)
      expect(
        opensslAccepts({
          leaf: der,
          intermediates: [],
          roots: [authority.certificate.der],
          now: NOW,
        }),
      ).toBe(true)
      expect(new X509Certificate(der).verify(authority.signer.publicKey)).toBe(true)
      expect(
        new X509Certificate(der).checkIssued(new X509Certificate(authority.certificate.der)),
      ).toBe(true)
      expect(new X509Certificate(der).checkHost('web.example.org')).toBe('web.example.org')
    })
  },
)

describe('a leaf', () => {
  test('carries the DNS names, and the first as common name', async () => {
    const dnsNames = ['a.example.org', '*.b.example.org', 'c_d']
    const der = await issueLeaf(template({ dnsNames }), ca)
    expect(parseCertificate(der).dnsNames).toEqual(dnsNames)
    expect(new X509Certificate(der).subject).toBe('C=US\nO=COUNTERSIGN\nCN=a.example.org')
  })

  test('has no common name where the first DNS name is too long for one', async () => {
    const dnsNames = [`${'a'.repeat(60)}.example.org`]
    const der = await issueLeaf(template({ dnsNames }), ca)
    expect(new X509Certificate(der).subject).toBe('C=US\nO=COUNTERSIGN')
  })

  test('ends with its authority', async () => {
    const der = await issueLeaf(template({ notAfter: later(365 * DAY_MS) }), ca)
    expect(parseCertificate(der).notAfter).toEqual(ca.certificate.notAfter)
  })

  test('lasts for whole seconds', async () => {
    const leaf = parseCertificate(
      await issueLeaf(template({ notBefore: later(999), notAfter: later(5999) }), ca),
    )
    expect(leaf.notBefore).toEqual(NOW)
    expect(leaf.notAfter).toEqual(later(5000))
  })

  test.each([
    ['before it begins', { notBefore: later(HOUR_MS), notAfter: later(0) }],
    ['when it begins', { notBefore: NOW, notAfter: later(500) }],
    [
      'after its authority began to be over',
      { notBefore: later(2 * DAY_MS), notAfter: later(3 * DAY_MS) },
    ],
    ['at no time', { notAfter: new Date(Number.NaN) }],
  ])('that would end %s is refused', async (_title, more) => {
    expect(await reasonOfAsync(() => issueLeaf(template(more), ca))).toBe('certificate-lifetime')
  })

  test('can be valid past 2050', async () => {
    const authority = await newCa('ec-p256', new Date('2060-01-01T00:00:00Z'))
    const der = await issueLeaf(template({ notAfter: new Date('2055-05-05T05:05:05Z') }), authority)
    expect(parseCertificate(der).notAfter).toEqual(new Date('2055-05-05T05:05:05Z'))
    expect(new Date(new X509Certificate(der).validTo)).toEqual(new Date('2055-05-05T05:05:05Z'))
    const [leaf, root, now] = [der, authority.certificate.der, new Date('2052-01-01T00:00:00Z')]
    expect(opensslAccepts({ leaf, intermediates: [], roots: [root], now })).toBe(true)
  })

  test.each([
    '',
    'a..b',
    '-'.repeat(64),
    'a b',
    'a.',
    '*',
    'b.*',
    'a*.b',
    'ä.example',
    'a\0b',
    'a/b',
    `${'a.'.repeat(127)}aa`,
  ])('with the DNS name %j is refused', async (name) => {
    expect(await reasonOfAsync(() => issueLeaf(template({ dnsNames: [name] }), ca))).not.toBe('ok')
  })

  test('X509-05 for a trust domain itself is refused', async () => {
    const root = TrustDomain.toId(trustDomain)
    expect(await reasonOfAsync(() => issueLeaf(template({ spiffeId: root }), ca))).toBe(
      'lint-root-path',
    )
  })

  test('with bytes for a key that are none is refused', async () => {
    for (const spki of [Buffer.alloc(0), Buffer.of(5, 0), sequence()]) {
      expect(await reasonOfAsync(() => issueLeaf(template({ spki }), ca))).not.toBe('ok')
    }
  })

  test('ID-17 has 2048 bytes of ID where it is asked for', async () => {
    const long = SpiffeId.of(trustDomain, `/${'a'.repeat(2048 - 'spiffe://example.org/'.length)}`)
    const der = await issueLeaf(template({ spiffeId: long }), ca)
    expect(parseCertificate(der).uris).toEqual([long])
  })

  test('has what its template says, for any ID and names', async () => {
    const segment = fc.string({
      unit: fc.constantFrom(...'abcXYZ019_-'),
      minLength: 1,
      maxLength: 20,
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(segment, { minLength: 1, maxLength: 6 }),
        fc.array(fc.domain(), { maxLength: 4 }),
        fc.integer({ min: 1, max: 3600 }),
        async (segments, dnsNames, ttlSeconds) => {
          const id = SpiffeId.of(trustDomain, `/${segments.join('/')}`)
          const notAfter = later(ttlSeconds * 1000)
          const leaf = parseCertificate(
            await issueLeaf(template({ spiffeId: id, dnsNames, notAfter }), ca),
          )
          expect(leaf).toMatchObject({ uris: [id], dnsNames, notBefore: NOW, notAfter })
          expect(leaf.spki).toEqual(spkiOf(workload.publicKey))
        },
      ),
      { numRuns: 50 },
    )
  })
})

test('serial numbers are 16 bytes, positive, and never the same', async () => {
  const leaves = await Promise.all(Array.from({ length: 600 }, () => issueLeaf(template(), ca)))
  const serials = leaves.map((der) => parseCertificate(der).serial)
  expect(new Set(serials).size).toBe(600)
  for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/)
})

describe('an authority', () => {
  test('is refused where its signer shows another key than its certificate', async () => {
    const other = { certificate: ca.certificate, signer: await newSigner() }
    expect(await reasonOfAsync(() => issueLeaf(template(), other))).toBe('ca-key')
  })

  test('is refused where its signer signs with another key than it shows', async () => {
    const [shown, used] = [ca.signer, await newSigner()]
    const signer = { ...shown, sign: (data: Uint8Array) => used.sign(data) }
    const liar = { certificate: ca.certificate, signer }
    expect(await reasonOfAsync(() => issueLeaf(template(), liar))).toBe('ca-signature')
    const options = { trustDomain, notBefore: NOW, notAfter: later(DAY_MS) }
    expect(await reasonOfAsync(() => issueRootCa({ ...options, signer }))).toBe('ca-signature')
    const spki = spkiOf(used.publicKey)
    expect(await reasonOfAsync(() => issueIntermediateCa({ ...options, spki }, liar))).toBe(
      'ca-signature',
    )
  })

  test('T34 has a subject of its own', async () => {
    const subjects = await Promise.all(
      Array.from({ length: 5 }, async () => (await newCa()).certificate.subject.toString('hex')),
    )
    expect(new Set(subjects).size).toBe(5)
  })
})

describe('an authority below another', () => {
  const options = { trustDomain, notBefore: NOW }

  test('carries leaves, and ends with the one above', async () => {
    const signer = await newSigner()
    const der = await issueIntermediateCa(
      { ...options, notAfter: later(100 * DAY_MS), spki: spkiOf(signer.publicKey) },
      ca,
    )
    const certificate = parseCertificate(der)
    expect(certificate).toMatchObject({
      uris: ['spiffe://example.org'],
      basicConstraints: { ca: true, critical: true },
      authorityKeyId: ca.certificate.subjectKeyId,
      notAfter: ca.certificate.notAfter,
    })
    const leaf = await issueLeaf(template(), { certificate, signer })
    const chain = { leaf, intermediates: [der], roots: [ca.certificate.der], now: NOW }
    expect(opensslAccepts(chain)).toBe(true)
    expect(
      verifyChain({
        leaf: parseCertificate(leaf),
        intermediates: [certificate],
        roots: [ca.certificate],
        now: NOW,
      }),
    ).toHaveLength(3)
  })

  test('X509-13 gets no more path length than there is', async () => {
    const signer = await newSigner()
    const limited = await issueRootCa({
      ...options,
      notAfter: later(DAY_MS),
      signer,
      pathLength: 1,
    })
    const top = { certificate: parseCertificate(limited), signer }
    const below = await newSigner()
    const wish = { ...options, notAfter: later(HOUR_MS), spki: spkiOf(below.publicKey) }
    const middle = parseCertificate(await issueIntermediateCa({ ...wish, pathLength: 7 }, top))
    expect(middle.basicConstraints?.pathLength).toBe(0)
    const third = spkiOf((await newSigner()).publicKey)
    expect(
      await reasonOfAsync(() =>
        issueIntermediateCa({ ...wish, spki: third }, { certificate: middle, signer: below }),
      ),
    ).toBe('ca-path-length')
  })
})

describe('the lint finds', () => {
  const uris = [spiffeId]
  const leafUsage = ['digitalSignature', 'keyEncipherment', 'keyAgreement']
  const wrong: readonly (readonly [string, Shape])[] = [
    ['uri', { uris: ['spiffe://example.org/other'] }],
    ['uri', { uris: [spiffeId, 'spiffe://example.org/other'] }],
    ['uri', {}],
    ['names', { uris, ips: [Buffer.alloc(4)] }],
    ['key-usage', { uris, usage: null }],
    ['serial', { uris }],
    ['subject-key-id', { uris, subjectKeyId: Buffer.alloc(20) }],
  ]
  test.each(wrong)('%s in a leaf', async (reason, shape) => {
    const issuer = {
      name: ca.certificate.subject,
      signer: ca.signer,
      keyId: ca.certificate.subjectKeyId ?? Buffer.alloc(0),
    }
    const subject = partyWith('x', workload)
    const der = await certificateDer(subject, issuer, { usage: leafUsage, ...shape })
    const { notBefore, notAfter } = parseCertificate(der)
    const expected = {
      spiffeId,
      dnsNames: [],
      spki: spkiOf(workload.publicKey),
      subjectKeyId: subjectKeyIdOf(spkiOf(workload.publicKey)),
      notBefore,
      notAfter,
      serial: 'abc',
      subject: nameOf('x'),
      issuer: ca.certificate,
    }
    expect(reasonOf(() => lintLeaf(der, expected))).toBe(`lint-${reason}`)
  })

  const fields = (der: Buffer) => {
    const { spki, notBefore, notAfter, serial, subject } = parseCertificate(der)
    return { spki, subjectKeyId: subjectKeyIdOf(spki), notBefore, notAfter, serial, subject }
  }
  const wishes: readonly (readonly [string, object])[] = [
    ['ok', {}],
    ['uri', { spiffeId: SpiffeId.parse('spiffe://example.org/other') }],
    ['dns-names', { dnsNames: ['a.example'] }],
    ['validity', { notAfter: later(2 * HOUR_MS) }],
    ['validity', { notBefore: later(-1000) }],
    ['subject', { subject: nameOf('y') }],
    ['serial', { serial: '1' }],
    ['key', { spki: Buffer.alloc(91) }],
    ['subject-key-id', { subjectKeyId: Buffer.alloc(20) }],
  ]
  test.each(wishes)('%s where a good leaf is not the one asked for', async (reason, wish) => {
    const der = await issueLeaf(template(), ca)
    const expected = { ...fields(der), spiffeId, dnsNames: [], issuer: ca.certificate, ...wish }
    expect(reasonOf(() => lintLeaf(der, expected))).toBe(reason === 'ok' ? 'ok' : `lint-${reason}`)
  })

  test('an authority of another trust domain, or another path length', () => {
    const { der } = ca.certificate
    const good = { ...fields(der), trustDomain, pathLength: undefined, issuer: undefined }
    expect(reasonOf(() => lintCa(der, good))).toBe('ok')
    expect(reasonOf(() => lintCa(der, { ...good, pathLength: 1 }))).toBe('lint-path-length')
    const other = TrustDomain.parse('other.org')
    expect(reasonOf(() => lintCa(der, { ...good, trustDomain: other }))).toBe('lint-uri')
  })

  test('a leaf in place of an authority, and an authority in place of a leaf', async () => {
    const leaf = await issueLeaf(template(), ca)
    const asCa = { ...fields(leaf), trustDomain, pathLength: undefined, issuer: ca.certificate }
    expect(reasonOf(() => lintCa(leaf, asCa))).toMatch(/^lint-/)
    const { der } = ca.certificate
    const asLeaf = { ...fields(der), spiffeId, dnsNames: [], issuer: ca.certificate }
    expect(reasonOf(() => lintLeaf(der, asLeaf))).toMatch(/^lint-/)
  })
})

test('the identifiers are those of the keys', async () => {
  const leaf = parseCertificate(await issueLeaf(template(), ca))
  expect(leaf.subjectKeyId).toEqual(subjectKeyIdOf(spkiOf(workload.publicKey)))
  expect(leaf.authorityKeyId).toEqual(subjectKeyIdOf(ca.certificate.spki))
  expect([...(leaf.extendedKeyUsage?.purposes ?? [])]).toEqual([OID.serverAuth, OID.clientAuth])
})

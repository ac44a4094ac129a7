import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { verifyNow } from '../../../src/x509/algorithm.ts'
import {
  parseCertificate,
  readCertificate,
  splitCertificates,
} from '../../../src/x509/certificate.ts'
import { bitString, derNull, element, integer, oid, sequence } from '../../../src/x509/der-write.ts'
import { extension } from '../../../src/x509/encode.ts'
import { type KeyKind, spkiOf } from '../../../src/x509/key.ts'
import { OID } from '../../../src/x509/oids.ts'
import {
  basicConstraints,
  certificateDer,
  DAY_MS,
  keyUsage,
  type Made,
  NOW,
  nameConstraints,
  type Party,
  party,
  reasonOf,
  root,
  type Shape,
} from '../../support/x509-fixtures.ts'

let ca: Made
let subject: Party

beforeAll(async () => {
  ca = await root('CA')
  subject = await party('leaf')
})

test('every field of a certificate is read', async () => {
  const der = await certificateDer(subject, ca, {
    ca: true,
    pathLength: 3,
    usage: ['keyCertSign', 'cRLSign', 'digitalSignature'],
    uris: ['spiffe://example.org/web'],
    dnsNames: ['a.example', 'b.example'],
    ips: [Buffer.of(127, 0, 0, 1)],
    serial: integer(Buffer.from('00ab01', 'hex')),
    extra: [
      extension(OID.extendedKeyUsage, sequence(oid(OID.serverAuth), oid('1.2.3.4'))),
      extension('1.2.3.4.5', derNull(), true),
      extension('1.2.3.4.6', derNull()),
    ],
  })
  const read = parseCertificate(der)
  expect(read).toMatchObject({
    der,
    serial: 'ab01',
    issuer: ca.name,
    subject: subject.name,
    spki: spkiOf(subject.signer.publicKey),
    notBefore: new Date(NOW.getTime() - DAY_MS),
    notAfter: new Date(NOW.getTime() + DAY_MS),
    uris: ['spiffe://example.org/web'],
    dnsNames: ['a.example', 'b.example'],
    basicConstraints: { critical: true, ca: true, pathLength: 3 },
    keyUsage: { critical: true, bits: new Set(['keyCertSign', 'cRLSign', 'digitalSignature']) },
    extendedKeyUsage: { critical: false, purposes: new Set([OID.serverAuth, '1.2.3.4']) },
    subjectKeyId: subject.keyId,
    authorityKeyId: ca.keyId,
    nameConstraints: undefined,
    unknownCritical: ['1.2.3.4.5'],
    signatureAlgorithm: 'ecdsa-with-SHA256',
  })
  expect(read.publicKey.equals(subject.signer.publicKey)).toBe(true)
  const node = new X509Certificate(der)
  expect(BigInt(`0x${read.serial}`)).toBe(BigInt(`0x${node.serialNumber}`))
  expect(node.subjectAltName).toContain('URI:spiffe://example.org/web')
})

test('the algorithm of a signature that nothing verifies is told by its number', async () => {
  const der = await certificateDer(subject, ca, {})
  const sha1 = sequence(oid('1.2.840.10045.4.1'))
  const swapped = swap(der, sequence(oid(OID.ecdsaWithSha256)), sha1)
  expect(parseCertificate(swapped)).toMatchObject({
    signatureAlgorithm: '1.2.840.10045.4.1',
    algorithm: undefined,
  })
})

/** Replaces bytes everywhere and mends the lengths of the two outer sequences. */
function swap(der: Buffer, from: Buffer, to: Buffer): Buffer {
  const text = der.toString('latin1').replaceAll(from.toString('latin1'), to.toString('latin1'))
  const [outer, inner] = [4, 8].map((at) => Buffer.from(text.slice(at), 'latin1'))
  const tbsLength = der.readUInt16BE(6) + (to.length - from.length)
  const tbs = element(0x30, (inner as Buffer).subarray(0, tbsLength))
  return element(0x30, tbs, (outer as Buffer).subarray(4 + tbsLength))
}

describe('a certificate is refused', () => {
  const bits = (octets: Buffer, unused = 0) => bitString(octets, unused)
  const cases: readonly (readonly [string, Shape])[] = [
    ['of version 1', { version: 0, extensions: [] }],
    ['of version 2', { version: 1 }],
    ['of version 4', { version: 3 }],
    ['without extensions', { extensions: [] }],
    ['with a negative serial number', { serial: element(0x02, Buffer.of(0x81)) }],
    ['with a serial number of 22 bytes', { serial: element(0x02, Buffer.alloc(22, 1)) }],
    ['with two different algorithms', { innerAlgorithm: sequence(oid(OID.ecdsaWithSha384)) }],
    ['with an extension twice', { extra: [keyUsage(['digitalSignature'])] }],
    ['with a path length and no CA', { extensions: [basicConstraints(false, 0)] }],
    [
      'with a negative path length',
      {
        extensions: [
          extension(
            OID.basicConstraints,
            sequence(element(1, Buffer.of(255)), element(2, Buffer.of(0xff))),
          ),
        ],
      },
    ],
    [
      'with trailing bytes in an extension',
      {
        extensions: [extension(OID.keyUsage, Buffer.concat([bits(Buffer.of(128), 7), derNull()]))],
      },
    ],
    ['with a key usage of another type', { extensions: [extension(OID.keyUsage, derNull())] }],
    [
      'with no extended key usage in the list',
      { extensions: [extension(OID.extendedKeyUsage, sequence())] },
    ],
    ['with an empty list of names', { extensions: [extension(OID.subjectAltName, sequence())] }],
    ['with an address of 5 bytes', { ips: [Buffer.alloc(5)] }],
    ['with a NUL in a DNS name', { dnsNames: ['a.example\0.evil'] }],
    ['with a URI that is not ASCII', { uris: ['spiffe://exämple.org/a'] }],
    [
      'with a CA bit 01',
      { extensions: [extension(OID.basicConstraints, sequence(element(1, Buffer.of(1))))] },
    ],
    [
      'with empty name constraints',
      { extensions: [extension(OID.nameConstraints, sequence(element(0xa0)))] },
    ],
    [
      'with 65 extensions',
      { extensions: Array.from({ length: 65 }, (_, i) => extension(`1.2.3.${i}`, derNull())) },
    ],
    [
      'of more than 32 KiB',
      { dnsNames: Array.from({ length: 2000 }, (_, i) => `name-${i}.some.example`) },
    ],
    ['whose subject is no name', {}],
  ]
  test.each(cases)('%s', async (title, shape) => {
    const who = title.includes('no name') ? { ...subject, name: derNull() } : subject
    const der = await certificateDer(who, ca, shape)
    expect(reasonOf(() => parseCertificate(der))).toBe('certificate-malformed')
    expect(reasonOf(() => readCertificate(der))).toBe('certificate-malformed')
  })

  test('with bytes after it', async () => {
    const der = Buffer.concat([await certificateDer(subject, ca, {}), Buffer.of(0)])
    expect(new X509Certificate(der)).toBeDefined()
    expect(reasonOf(() => parseCertificate(der))).toBe('certificate-malformed')
  })

  test('with a key that is not used here', async () => {
    const der = await certificateDer(subject, ca, {})
    const p256 = sequence(oid(OID.ecPublicKey), oid(OID.p256))
    expect(
      reasonOf(() =>
        parseCertificate(
          swap(der, p256, sequence(oid(OID.ecPublicKey), oid('1.2.840.10045.3.1.8'))),
        ),
      ),
    ).toBe('certificate-key-unknown')
  })
})

test('a CA bit and a critical bit that say FALSE aloud mean what silence means', async () => {
  const no = element(1, Buffer.of(0))
  const der = await certificateDer(subject, ca, {
    extensions: [sequence(oid(OID.basicConstraints), no, element(4, sequence(no)))],
  })
  expect(parseCertificate(der).basicConstraints).toEqual({ critical: false, ca: false })
})

test('name constraints are read', async () => {
  const der = await certificateDer(subject, ca, {
    extra: [nameConstraints([[0x86, 'Example.org']], [[0x82, 'x.example']])],
  })
  expect(parseCertificate(der).nameConstraints).toMatchObject({
    permitted: { uri: ['example.org'], dns: [] },
    excluded: { uri: [], dns: ['x.example'] },
    unsupported: false,
  })
})

test('a certificate that is changed after it was read keeps what was read', async () => {
  const der = await certificateDer(subject, ca, { uris: ['spiffe://example.org/web'] })
  const copy = Buffer.from(der)
  const read = parseCertificate(der)
  der.fill(0)
  expect(read.der).toEqual(copy)
  expect(parseCertificate(read.der).uris).toEqual(['spiffe://example.org/web'])
})

describe.each<KeyKind>(['ec-p256', 'ec-p384', 'ed25519'])('signed by a key of kind %s', (kind) => {
  test('ID-26 a certificate with any bit flipped is unreadable or not signed', async () => {
    const issuer = await party('CA', kind)
    const der = await certificateDer(subject, issuer, { uris: ['spiffe://example.org/web'] })
    const verifies = (bytes: Buffer): boolean => {
      try {
        const { tbs, algorithm, signature } = parseCertificate(bytes)
        if (algorithm === undefined) return false
        return verifyNow(tbs, issuer.signer.publicKey, signature, algorithm)
      } catch {
        return false
      }
    }
    expect(verifies(der)).toBe(true)
    for (let at = 0; at < der.length; at++) {
      const changed = Buffer.from(der)
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
      expect(verifies(changed), `byte ${at}`).toBe(false)
    }
  })
})

test('bytes near a certificate are read or refused with a reason, never a crash', async () => {
  const der = await certificateDer(subject, ca, { uris: ['spiffe://example.org/web'] })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(der.length - 1), fc.nat(255)), { maxLength: 6 }),
      (edits) => {
        const changed = Buffer.from(der)
        for (const [at, value] of edits) changed[at] = value
        expect(reasonOf(() => parseCertificate(changed))).toMatch(/^(ok|certificate-)/)
      },
    ),
    { numRuns: 2000 },
  )
})

describe('certificates in a row', () => {
  test('are split without a change', async () => {
    const ders = [ca.der, await certificateDer(subject, ca, {}), ca.der]
    expect(splitCertificates(Buffer.concat(ders))).toEqual(ders)
    expect(splitCertificates(Buffer.alloc(0))).toEqual([])
  })

  test.each([
    ['cut short', () => ca.der.subarray(0, -1)],
    ['followed by something else', () => Buffer.concat([ca.der, Buffer.of(5, 0)])],
    ['more than 1,000', () => Buffer.alloc(2 * 1001).fill(Buffer.of(0x30, 0))],
  ])('%s are refused', (_title, make) => {
    expect(reasonOf(() => splitCertificates(make()))).toBe('certificate-malformed')
  })
})

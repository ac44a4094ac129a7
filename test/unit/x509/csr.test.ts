import { execFileSync } from 'node:child_process'
import { sign as cryptoSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { createCsr, parseCsr } from '../../../src/x509/csr.ts'
import {
  bitString,
  derNull,
  element,
  integer,
  octetString,
  oid,
  printableString,
  sequence,
  set,
} from '../../../src/x509/der-write.ts'
import { extension } from '../../../src/x509/encode.ts'
import { type CertificateAuthority, issueLeaf } from '../../../src/x509/issue.ts'
import {
  generateKeyPair,
  type KeyKind,
  type Signer,
  softwareSigner,
  spkiOf,
} from '../../../src/x509/key.ts'
import { OID } from '../../../src/x509/oids.ts'
import {
  alternativeNames,
  basicConstraints,
  DAY_MS,
  keyUsage,
  NOW,
  nameOf,
  reasonOf,
  reasonOfAsync,
  root,
} from '../../support/x509-fixtures.ts'

const spiffeId = SpiffeId.parse('spiffe://example.org/web')
const ecdsaSha256 = sequence(oid(OID.ecdsaWithSha256))
let signer: Signer
let ca: CertificateAuthority

beforeAll(async () => {
  signer = softwareSigner((await generateKeyPair('ec-p256')).privateKey)
  ca = await root('CA')
})

interface Wish {
  readonly version?: Buffer
  readonly subject?: Buffer
  readonly spki?: Buffer
  readonly extensions?: readonly Buffer[]
  readonly attributes?: readonly Buffer[]
  readonly attributesTag?: number
  readonly extra?: readonly Buffer[]
  readonly algorithm?: Buffer
  readonly signature?: (info: Buffer) => Promise<Buffer> | Buffer
  readonly unusedBits?: number
}

async function csrOf(wish: Wish): Promise<Buffer> {
  const attributes =
    wish.attributes ??
    (wish.extensions === undefined
      ? []
      : [sequence(oid(OID.extensionRequest), set(sequence(...wish.extensions)))])
  const info = sequence(
    wish.version ?? integer(Buffer.of(0)),
    wish.subject ?? nameOf('x'),
    wish.spki ?? spkiOf(signer.publicKey),
    element(wish.attributesTag ?? 0xa0, ...attributes),
    ...(wish.extra ?? []),
  )
  const signature = await (wish.signature ?? ((data) => signer.sign(data)))(info)
  return sequence(info, wish.algorithm ?? ecdsaSha256, bitString(signature, wish.unusedBits))
}

function check(der: Buffer): Promise<string> {
  return reasonOfAsync(() => parseCsr(der).verify())
}

describe.each<KeyKind>(['ec-p256', 'ec-p384', 'ec-p521', 'rsa-2048', 'ed25519'])(
  'a request with a key of kind %s',
  (kind) => {
    test('is made, read, proven, and read by openssl', async () => {
      const key = softwareSigner((await generateKeyPair(kind)).privateKey)
      const der = await createCsr(key, { spiffeId })
      const csr = parseCsr(der)
      expect(csr).toMatchObject({ kind, uris: [spiffeId], dnsNames: [] })
      expect(csr.spki).toEqual(spkiOf(key.publicKey))
      expect(await check(der)).toBe('ok')
      expect(
        execFileSync('openssl', ['req', '-inform', 'DER', '-verify', '-noout', '-text'], {
          input: der,
          stdio: ['pipe', 'pipe', 'ignore'],
        }).toString(),
      ).toContain(`URI:${spiffeId}`)
    })
  },
)

test('a request without a name asks for none', async () => {
  expect(parseCsr(await createCsr(signer))).toMatchObject({ uris: [], dnsNames: [] })
})

test('a request that openssl made is read', async () => {
  const options =
    '-new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -outform DER'
  const names = 'subjectAltName=URI:spiffe://example.org/web,DNS:a.example'
  const der = execFileSync(
    'openssl',
    ['req', ...options.split(' '), '-subj', '/CN=x', '-addext', names],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  expect(await check(der)).toBe('ok')
  expect(parseCsr(der)).toMatchObject({ uris: [spiffeId], dnsNames: ['a.example'] })
})

describe('T6 a request is refused', () => {
  const rsa1024 = (): KeyObject => generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
  const sha256Rsa = sequence(oid(OID.sha256WithRsa), derNull())
  const signWith = (key: KeyObject) => ({
    spki: spkiOf(key),
    signature: (info: Buffer) => cryptoSign('sha256', info, key),
  })
  const san = (...items: Buffer[]) => [extension(OID.subjectAltName, sequence(...items))]
  const uri = (text: string) => element(0x86, Buffer.from(text, 'utf8'))
  const cases: readonly (readonly [string, string, () => Promise<Buffer> | Buffer])[] = [
    ['that is empty', 'csr-malformed', () => Buffer.alloc(0)],
    ['that is PEM', 'csr-malformed', () => Buffer.from('-----BEGIN CERTIFICATE REQUEST-----')],
    ['of more than 16 KiB', 'csr-too-large', () => Buffer.alloc(16 * 1024 + 1, 0x30)],
    [
      'with trailing bytes',
      'csr-malformed',
      async () => Buffer.concat([await csrOf({}), Buffer.of(0)]),
    ],
    ['of version 2', 'csr-malformed', () => csrOf({ version: integer(Buffer.of(1)) })],
    [
      'of a version that is written long',
      'csr-malformed',
      () => csrOf({ version: element(2, Buffer.of(0, 0)) }),
    ],
    [
      'with a signature of another key',
      'csr-signature',
      async () => {
        const other = softwareSigner((await generateKeyPair('ec-p256')).privateKey)
        return csrOf({ signature: (info) => other.sign(info) })
      },
    ],
    ['with an empty signature', 'csr-signature', () => csrOf({ signature: () => Buffer.alloc(0) })],
    [
      'with a signature of zeros',
      'csr-signature',
      () => csrOf({ signature: () => sequence(integer(Buffer.of(0)), integer(Buffer.of(0))) }),
    ],
    [
      'with a signature as r||s',
      'csr-signature',
      () => csrOf({ signature: () => Buffer.alloc(64, 1) }),
    ],
    [
      'with bytes after its signature',
      'csr-signature',
      () =>
        csrOf({
          signature: async (info) => Buffer.concat([await signer.sign(info), Buffer.of(0)]),
        }),
    ],
    [
      'with unused bits in its signature',
      'csr-malformed',
      () =>
        csrOf({
          unusedBits: 1,
          signature: async (info) => {
            const signature = await signer.sign(info)
            signature[signature.length - 1] = (signature.at(-1) ?? 0) & 0xfe
            return signature
          },
        }),
    ],
    ['with an RSA algorithm for an EC key', 'csr-algorithm', () => csrOf({ algorithm: sha256Rsa })],
    [
      'with ECDSA and SHA-1',
      'csr-algorithm',
      () => csrOf({ algorithm: sequence(oid('1.2.840.10045.4.1')) }),
    ],
    [
      'with ECDSA and NULL parameters',
      'csr-algorithm',
      () => csrOf({ algorithm: sequence(oid(OID.ecdsaWithSha256), derNull()) }),
    ],
    [
      'with the algorithm of another hash',
      'csr-signature',
      () => csrOf({ algorithm: sequence(oid(OID.ecdsaWithSha384)) }),
    ],
    [
      'with RSA of 1024 bits',
      'csr-key-weak',
      () => csrOf({ ...signWith(rsa1024()), algorithm: sha256Rsa }),
    ],
    [
      'with RSA of 2056 bits',
      'csr-key-unknown',
      () =>
        csrOf({
          ...signWith(generateKeyPairSync('rsa', { modulusLength: 2056 }).privateKey),
          algorithm: sha256Rsa,
        }),
    ],
    [
      'with RSA of exponent 3',
      'csr-key-weak',
      () =>
        csrOf({
          ...signWith(
            generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey,
          ),
          algorithm: sha256Rsa,
        }),
    ],
    [
      'with secp256k1',
      'csr-key-unknown',
      () => csrOf(signWith(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey)),
    ],
    [
      'with a point off the curve',
      'csr-key-invalid',
      () =>
        csrOf({
          spki: sequence(
            sequence(oid(OID.ecPublicKey), oid(OID.p256)),
            bitString(Buffer.alloc(65, 4)),
          ),
        }),
    ],
    [
      'that asks for extensions twice',
      'csr-malformed',
      () => {
        const attribute = sequence(
          oid(OID.extensionRequest),
          set(sequence(...[basicConstraints(false)])),
        )
        return csrOf({ attributes: [attribute, attribute] })
      },
    ],
    [
      'with one extension twice',
      'csr-malformed',
      () => csrOf({ extensions: [basicConstraints(false), basicConstraints(false)] }),
    ],
    ['with an empty list of names', 'csr-malformed', () => csrOf({ extensions: san() })],
    [
      'with a NUL in a name',
      'csr-malformed',
      () => csrOf({ extensions: san(uri('spiffe://example.org/web\0x')) }),
    ],
    [
      'with a name that is not ASCII',
      'csr-malformed',
      () => csrOf({ extensions: san(uri('spiffe://exämple.org/web')) }),
    ],
    [
      'with an unknown form of name',
      'csr-malformed',
      () => csrOf({ extensions: san(element(0x89, Buffer.of(1))) }),
    ],
    ['with something after its attributes', 'csr-malformed', () => csrOf({ extra: [derNull()] })],
    ['with attributes of another tag', 'csr-malformed', () => csrOf({ attributesTag: 0xa1 })],
    [
      'with a mistake in an attribute that nobody reads',
      'csr-malformed',
      () => csrOf({ attributes: [sequence(oid('1.2.3'), set(element(0x01, Buffer.of(1))))] }),
    ],
  ]
  test.each(cases)('%s', async (_title, reason, make) => {
    expect(await check(await make())).toBe(reason)
  })
})

describe('T6 nothing but the key of a request reaches the certificate', () => {
  const cases: readonly (readonly [string, Wish])[] = [
    ['another SPIFFE ID', { extensions: [alternativeNames(['spiffe://example.org/admin'])] }],
    ['X509-01 two URIs', { extensions: [alternativeNames([spiffeId, 'https://x.example'])] }],
    [
      'DNS names and addresses',
      { extensions: [alternativeNames([], ['evil.example'], [Buffer.of(127, 0, 0, 1)])] },
    ],
    [
      'an e-mail address',
      {
        extensions: [
          extension(OID.subjectAltName, sequence(element(0x81, Buffer.from('a@b.example')))),
        ],
      },
    ],
    ['X509-15 the CA bit', { extensions: [basicConstraints(true, 3)] }],
    [
      'X509-20 the right to sign certificates',
      { extensions: [keyUsage(['keyCertSign', 'cRLSign'])] },
    ],
    [
      'other purposes',
      { extensions: [extension(OID.extendedKeyUsage, sequence(oid('1.3.6.1.5.5.7.3.3')))] },
    ],
    [
      'an unknown critical extension',
      { extensions: [extension('1.2.3.4.5', Buffer.from('0500', 'hex'), true)] },
    ],
    [
      'name constraints',
      {
        extensions: [
          extension(
            OID.nameConstraints,
            sequence(element(0xa0, sequence(element(0x86, Buffer.from('x'))))),
          ),
        ],
      },
    ],
    ['a subject of another', { subject: nameOf('spiffe://example.org/admin') }],
    ['an empty subject', { subject: nameOf('') }],
    [
      'another subject key identifier',
      { extensions: [extension(OID.subjectKeyIdentifier, octetString(Buffer.alloc(20)))] },
    ],
    [
      'a challenge password',
      { attributes: [sequence(oid('1.2.840.113549.1.9.7'), set(printableString('secret')))] },
    ],
  ]
  test.each(cases)('%s', async (_title, wish) => {
    const csr = parseCsr(await csrOf(wish))
    await csr.verify()
    const notAfter = new Date(NOW.getTime() + DAY_MS / 24)
    const issue = (spki: Buffer) => issueLeaf({ spiffeId, spki, notBefore: NOW, notAfter }, ca)
    const withWish = parseCertificate(await issue(csr.spki))
    const plain = parseCertificate(await issue(spkiOf(signer.publicKey)))
    expect(withoutSerial(withWish.tbs)).toBe(withoutSerial(plain.tbs))
  })

  // The serial number stands at a fixed place: after the outer header (4) and the version (5), 18 bytes.
  function withoutSerial(tbs: Buffer): string {
    expect(tbs.subarray(9, 11).toString('hex')).toBe('0210')
    return Buffer.concat([tbs.subarray(0, 9), tbs.subarray(27)]).toString('hex')
  }

  test('a request with the key of the CA gives no certificate', async () => {
    const own = parseCsr(await createCsr(ca.signer))
    expect(
      await reasonOfAsync(() =>
        issueLeaf(
          { spiffeId, spki: own.spki, notBefore: NOW, notAfter: ca.certificate.notAfter },
          ca,
        ),
      ),
    ).toBe('lint-ca-key')
  })
})

test('T6 a request with any bit flipped is never proven', async () => {
  const der = await createCsr(signer, { spiffeId })
  for (let at = 0; at < der.length; at++) {
    const changed = Buffer.from(der)
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
    expect(await check(changed), `byte ${at}`).toMatch(/^csr-/)
  }
})

test('T6 a request with any bytes changed, cut or added is never proven and never crashes', async () => {
  const der = await createCsr(signer, { spiffeId })
  const edit = fc.record({
    at: fc.nat(der.length),
    remove: fc.nat(4),
    insert: fc.uint8Array({ maxLength: 4 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
      let changed = Buffer.from(der)
      for (const { at, remove, insert } of edits) {
        changed = Buffer.concat([changed.subarray(0, at), insert, changed.subarray(at + remove)])
      }
      fc.pre(!changed.equals(der))
      expect(await check(changed)).toMatch(/^csr-/)
    }),
    { numRuns: 1000 },
  )
})

test('a request that is changed after it was read keeps what was read', async () => {
  const der = await createCsr(signer, { spiffeId })
  const csr = parseCsr(der)
  der.fill(0)
  expect(csr.spki).toEqual(spkiOf(signer.publicKey))
  expect(await reasonOfAsync(() => csr.verify())).toBe('ok')
})

test('a request may leave its attributes out', async () => {
  const info = sequence(integer(Buffer.of(0)), nameOf('x'), spkiOf(signer.publicKey))
  const der = sequence(info, ecdsaSha256, bitString(await signer.sign(info)))
  expect(await check(der)).toBe('ok')
  expect(reasonOf(() => parseCsr(der))).toBe('ok')
})

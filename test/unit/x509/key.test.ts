import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, verify } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { bitString, derNull, element, integer, oid, sequence } from '../../../src/x509/der-write.ts'
import {
  generateKeyPair,
  type KeyKind,
  keyKindOf,
  softwareSigner,
  spkiOf,
  subjectKeyIdOf,
} from '../../../src/x509/key.ts'
import { OID } from '../../../src/x509/oids.ts'
import { importSpki } from '../../../src/x509/spki.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'

const kinds: readonly KeyKind[] = [
  'ec-p256',
  'ec-p384',
  'ec-p521',
  'rsa-2048',
  'rsa-3072',
  'ed25519',
]

describe.each(kinds)('a key of kind %s', (kind) => {
  test('is known for what it is, signs, and its signature verifies', async () => {
    const { publicKey, privateKey } = await generateKeyPair(kind)
    expect(keyKindOf(publicKey)).toBe(kind)
    expect(keyKindOf(privateKey)).toBe(kind)
    expect(spkiOf(privateKey)).toEqual(spkiOf(publicKey))
    const signer = softwareSigner(privateKey)
    expect(signer.kind).toBe(kind)
    const data = Buffer.from('data')
    const hash = { 'ec-p384': 'sha384', 'ec-p521': 'sha512', ed25519: null }[kind as string]
    const algorithm = hash === undefined ? 'sha256' : hash
    expect(verify(algorithm, data, publicKey, await signer.sign(data))).toBe(true)
  })
})

test.each([
  ['RSA of 1024 bits', () => generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey],
  ['RSA of 2056 bits', () => generateKeyPairSync('rsa', { modulusLength: 2056 }).privateKey],
  [
    'RSA with exponent 3',
    () => generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey,
  ],
  ['secp256k1', () => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey],
  ['P-224', () => generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).privateKey],
  ['Ed448', () => generateKeyPairSync('ed448').privateKey],
  ['X25519', () => generateKeyPairSync('x25519').privateKey],
  ['RSA-PSS', () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey],
])('a key of %s is not used', (_title, make) => {
  const key = make()
  expect(keyKindOf(key)).toBeUndefined()
  expect(reasonOf(() => softwareSigner(key))).toBe('key-unusable')
})

test('a public key is no signer', async () => {
  const { publicKey } = await generateKeyPair('ec-p256')
  expect(reasonOf(() => softwareSigner(publicKey))).toBe('key-unusable')
})

test('the subject key identifier is the one that openssl computes', () => {
  const options = '-x509 -newkey rsa:2048 -nodes -keyout /dev/null -outform DER -subj /CN=x'
  const der = execFileSync('openssl', ['req', ...options.split(' ')], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const { spki, subjectKeyId } = parseCertificate(der)
  expect(subjectKeyId).toHaveLength(20)
  expect(subjectKeyIdOf(spki)).toEqual(subjectKeyId)
})

describe('a public key from outside is refused', () => {
  const p256 = sequence(oid(OID.ecPublicKey), oid(OID.p256))
  const rsa = sequence(oid(OID.rsaEncryption), derNull())
  const rsaKey = (modulus: Buffer, exponent: Buffer) =>
    sequence(rsa, bitString(sequence(integer(modulus), integer(exponent))))
  const modulus = Buffer.alloc(256, 0xff)
  const e = Buffer.of(1, 0, 1)
  const cases: readonly (readonly [string, string, Buffer])[] = [
    ['a point off the curve', 'key-invalid', sequence(p256, bitString(Buffer.alloc(65, 4)))],
    ['a compressed point', 'der-malformed', sequence(p256, bitString(Buffer.alloc(33, 2)))],
    ['a point at infinity', 'der-malformed', sequence(p256, bitString(Buffer.of(0)))],
    ['bits left over', 'der-malformed', sequence(p256, bitString(Buffer.alloc(65, 4), 2))],
    [
      'trailing elements',
      'der-malformed',
      sequence(p256, bitString(Buffer.alloc(65, 4)), derNull()),
    ],
    [
      'explicit curve parameters',
      'key-unknown',
      sequence(
        sequence(oid(OID.ecPublicKey), sequence(integer(Buffer.of(1)))),
        bitString(Buffer.alloc(65, 4)),
      ),
    ],
    [
      'RSA without its NULL',
      'key-unknown',
      sequence(sequence(oid(OID.rsaEncryption)), bitString(sequence(integer(modulus), integer(e)))),
    ],
    ['RSA with an even modulus', 'key-weak', rsaKey(Buffer.alloc(256, 0xfe), e)],
    [
      'RSA of 2047 bits',
      'key-weak',
      rsaKey(Buffer.concat([Buffer.of(0x7f), Buffer.alloc(255, 0xff)]), e),
    ],
    ['T6 RSA of 16384 bits', 'key-too-large', rsaKey(Buffer.alloc(2048, 0xff), e)],
    ['RSA with exponent 1', 'key-weak', rsaKey(modulus, Buffer.of(1))],
    ['RSA with exponent 3', 'key-weak', rsaKey(modulus, Buffer.of(3))],
    ['RSA with exponent 0', 'key-weak', rsaKey(modulus, Buffer.of(0))],
    ['RSA with an even exponent', 'key-weak', rsaKey(modulus, Buffer.of(1, 0, 2))],
    ['RSA with a huge exponent', 'key-too-large', rsaKey(modulus, Buffer.alloc(200, 0x11))],
    [
      'RSA with a negative modulus',
      'key-weak',
      sequence(rsa, bitString(sequence(element(2, Buffer.alloc(256, 0x81)), integer(e)))),
    ],
    [
      'Ed25519 of 31 bytes',
      'der-malformed',
      sequence(sequence(oid(OID.ed25519)), bitString(Buffer.alloc(31))),
    ],
    [
      'an unknown algorithm',
      'key-unknown',
      sequence(sequence(oid('1.2.3.4')), bitString(Buffer.alloc(32))),
    ],
  ]
  test.each(cases)('%s', (_title, reason, spki) => {
    expect(reasonOf(() => importSpki(spki))).toBe(reason)
  })
})

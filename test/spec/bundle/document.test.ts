import { X509Certificate } from 'node:crypto'
import { createLocalJWKSet, importJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import type { Bundle } from '../../../src/bundle/bundle.ts'
import { parseBundleDocument, writeBundleDocument } from '../../../src/bundle/document.ts'
import { publicJwk } from '../../../src/jwt/jwk.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { issueLeaf, issueRootCa } from '../../../src/x509/issue.ts'
import {
  generateKeyPair,
  type KeyKind,
  type Signer,
  softwareSigner,
  spkiOf,
} from '../../../src/x509/key.ts'

const td = TrustDomain.parse('example.org')

const validity = {
  notBefore: new Date('2026-01-01T00:00:00Z'),
  notAfter: new Date('2026-02-01T00:00:00Z'),
}

async function newSigner(kind: KeyKind): Promise<Signer> {
  return softwareSigner((await generateKeyPair(kind)).privateKey)
}

async function root(kind: KeyKind): Promise<Buffer> {
  return issueRootCa({ trustDomain: td, signer: await newSigner(kind), ...validity })
}

async function leaf(): Promise<Buffer> {
  const signer = await newSigner('ec-p256')
  const certificate = parseCertificate(await issueRootCa({ trustDomain: td, signer, ...validity }))
  const spki = spkiOf((await generateKeyPair('ec-p256')).publicKey)
  const spiffeId = SpiffeId.of(td, '/web')
  return issueLeaf({ spiffeId, spki, ...validity }, { certificate, signer })
}

async function jwtAuthority(kind: KeyKind, keyId: string) {
  const publicKey = spkiOf((await generateKeyPair(kind)).publicKey)
  return { keyId, publicKey, expiresAt: undefined, tainted: false }
}

const ecRoot = await root('ec-p256')
const webLeaf = await leaf()
const rsaRoot = await root('rsa-2048')
const another = spkiOf((await generateKeyPair('ec-p256')).publicKey)
const jwtEc = await jwtAuthority('ec-p521', 'jwt-1')
const jwtRsa = await jwtAuthority('rsa-3072', 'jwt-2')
const bundle: Bundle = {
  trustDomain: td,
  x509Authorities: [
    { certificate: ecRoot, tainted: false },
    { certificate: rsaRoot, tainted: false },
  ],
  jwtAuthorities: [jwtEc, jwtRsa],
  sequence: 7n,
  refreshHintSeconds: 300,
}

interface Element {
  use: string
  kty: string
  kid?: string
  x5c?: string[]
  crv?: string
  x?: string
}
const written = JSON.parse(writeBundleDocument(bundle)) as { keys: Element[] }
const [x509Ec, x509Rsa, ec, rsa] = written.keys as [Element, Element, Element, Element]

function parse(document: unknown): Bundle {
  return parseBundleDocument(td, typeof document === 'string' ? document : JSON.stringify(document))
}

function counts(...keys: unknown[]): [x509: number, jwt: number] {
  const read = parse({ keys })
  return [read.x509Authorities.length, read.jwtAuthorities.length]
}

function without(element: Element, ...members: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(element).filter(([name]) => !members.includes(name)))
}

function refusal(reason: string): unknown {
  return expect.objectContaining({ code: 'invalid', reason })
}

describe('writing', () => {
  test('TDB-01 TDB-07 a document is read back as it was written', () => {
    expect(parse(writeBundleDocument(bundle))).toEqual(bundle)
  })

  test('TDB-01 any JWKS library takes the document and each of its keys', async () => {
    createLocalJWKSet(written as Parameters<typeof createLocalJWKSet>[0])
    for (const key of written.keys) {
      const alg = key.kty === 'RSA' ? 'RS256' : key.crv === 'P-521' ? 'ES512' : 'ES256'
      await expect(importJWK({ ...without(key, 'use') }, alg)).resolves.toBeDefined()
    }
  })

  test('TDB-12 TDB-13 TDB-14 TDB-16 JWT-26 JWT-27 elements hold their use, key and nothing more', () => {
    const names = (element: Element) => Object.keys(element).sort()
    expect(names(x509Ec)).toEqual(['crv', 'kty', 'use', 'x', 'x5c', 'y'])
    expect(names(x509Rsa)).toEqual(['e', 'kty', 'n', 'use', 'x5c'])
    expect(names(ec)).toEqual(['crv', 'kid', 'kty', 'use', 'x', 'y'])
    expect(names(rsa)).toEqual(['e', 'kid', 'kty', 'n', 'use'])
    expect(written.keys.map(({ use }) => use)).toEqual([
      'x509-svid',
      'x509-svid',
      'jwt-svid',
      'jwt-svid',
    ])
    expect([ec.kid, rsa.kid]).toEqual(['jwt-1', 'jwt-2'])
  })

  test('X509-29 X509-30 X509-31 X509-33 one element a certificate: x5c of one, its key, no kid', () => {
    for (const [element, certificate] of [
      [x509Ec, ecRoot],
      [x509Rsa, rsaRoot],
    ] as const) {
      expect(element.kid).toBeUndefined()
      expect(element.x5c).toEqual([certificate.toString('base64')])
      const { publicKey } = new X509Certificate(certificate)
      expect(without(element, 'use', 'x5c')).toEqual(publicKey.export({ format: 'jwk' }))
    }
  })

  test('a tainted authority is still published', () => {
    const tainted = {
      ...bundle,
      x509Authorities: [{ certificate: ecRoot, tainted: true }],
      jwtAuthorities: [{ ...jwtEc, tainted: true }],
    }
    expect(
      counts(...(JSON.parse(writeBundleDocument(tainted)) as { keys: unknown[] }).keys),
    ).toEqual([1, 1])
  })

  test('a hint of 0 is left out', () => {
    const document = writeBundleDocument({ ...bundle, refreshHintSeconds: 0 })
    expect(JSON.parse(document)).not.toHaveProperty('spiffe_refresh_hint')
  })

  test('an authority whose key no JWK can hold is not written', async () => {
    const edwards = { ...bundle, jwtAuthorities: [await jwtAuthority('ed25519', 'ed')] }
    expect(() => writeBundleDocument(edwards)).toThrow(refusal('jwk-key-kind'))
  })
})

describe('the sequence and the hint', () => {
  test.each([0n, 1n, 9007199254740993n, 2n ** 63n, 18446744073709551615n])(
    'TDB-04 TDB-06 sequence %i is an integer in the text and survives both ways',
    (sequence) => {
      const text = writeBundleDocument({ ...bundle, sequence })
      expect(text).toContain(`"spiffe_sequence":${sequence},`)
      expect(parse(text).sequence).toBe(sequence)
    },
  )

  test('TDB-06 blanks, an escaped name and a decoy inside an element do not mislead', () => {
    const text = `{ "keys" : [{"kty":"x","spiffe_sequence":1}],
      "spiffe_s\\u0065quence" \t:\n 9007199254740993 , "x": {"spiffe_sequence": 2}, "y": "\\"spiffe_sequence\\":3" }`
    expect(parse(text).sequence).toBe(9007199254740993n)
  })

  test('TDB-03 without both, and with members that nobody defined, a document is read', () => {
    const read = parse({ keys: [ec], spiffe_new: { a: [] }, issuer: 'x' })
    expect(read).toMatchObject({ sequence: 0n, refreshHintSeconds: 0 })
    expect(read.jwtAuthorities).toHaveLength(1)
  })

  test.each([
    '-1',
    '1.5',
    '1.0',
    '1e3',
    '18446744073709551616',
    '1'.repeat(400),
    '"7"',
    'null',
    '[7]',
    'true',
    '-0',
  ])('TDB-05 sequence %s is refused', (sequence) => {
    expect(() => parse(`{"keys":[],"spiffe_sequence":${sequence}}`)).toThrow(
      refusal('bundle-sequence'),
    )
  })

  test.each([
    ['60', 60],
    ['0', 0],
    ['-5', 0],
    ['2.5', 0],
    ['"60"', 0],
    ['null', 0],
    ['1e300', 2_592_000],
    ['1e999', 0],
    ['9007199254740993', 2_592_000],
  ])('TDB-08 hint %s counts as %i s', (hint, seconds) => {
    expect(parse(`{"keys":[],"spiffe_refresh_hint":${hint}}`).refreshHintSeconds).toBe(seconds)
  })
})

describe('reading', () => {
  test.each(['{}', '{"keys":null}', '{"keys":{}}', '{"keys":"x"}', '{"Keys":[]}'])(
    'TDB-09 %s is an error',
    (text) => {
      expect(() => parse(text)).toThrow(refusal('bundle-keys-missing'))
    },
  )

  test.each([
    '',
    '[]',
    'null',
    '"keys"',
    '{"keys":[]',
    '\ufeff{"keys":[]}',
    '{"keys":[],"keys":[]}',
    '{"keys":[],"__proto__":{}}',
    '{"keys":[{"use":"a","use":"b"}]}',
    `{"keys":${'['.repeat(5000)}${']'.repeat(5000)}}`,
  ])('TDB-01 %.40s is an error', (text) => {
    expect(() => parse(text)).toThrow(refusal('bundle-malformed'))
  })

  test('TDB-09 TDB-11 JWT-29 X509-36 no keys is a bundle that trusts nothing', () => {
    expect(counts()).toEqual([0, 0])
  })

  test.each([
    ['kty LWE', { ...ec, kty: 'LWE' }],
    ['kty OKP', { use: 'jwt-svid', kid: 'o', kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) }],
    ['kty oct', { use: 'jwt-svid', kid: 'o', kty: 'oct', k: 'AAAA' }],
    ['no kty', without(ec, 'kty')],
    ['a kty that is no string', { ...ec, kty: ['EC'] }],
    ['use foo-svid', { ...ec, use: 'foo-svid' }],
    ['use wit-svid', { ...ec, use: 'wit-svid' }],
    ['use sig', { ...ec, use: 'sig' }],
    ['use in upper case', { ...ec, use: 'JWT-SVID' }],
    ['no use', without(ec, 'use')],
    ['a use that is no string', { ...ec, use: ['jwt-svid'] }],
    ['no kid', without(ec, 'kid')],
    ['an empty kid', { ...ec, kid: '' }],
    ['a kid that is no string', { ...ec, kid: 7 }],
    ['a kid of 1025 characters', { ...ec, kid: 'k'.repeat(1025) }],
    ['another curve', { ...ec, crv: 'secp256k1' }],
    ['a curve that does not go with the point', { ...ec, crv: 'P-256' }],
    ['a short coordinate', { ...ec, x: ec.x?.slice(2) }],
    ['a point off the curve', { ...ec, x: Buffer.alloc(66, 1).toString('base64url') }],
    ['a padded number', { ...rsa, e: 'AQAB=' }],
    ['a number with a leading zero', { ...rsa, e: 'AAEAAQ' }],
    ['an exponent of 1', { ...rsa, e: 'AQ' }],
    ['an even modulus', { ...rsa, n: Buffer.alloc(256, 0xee).toString('base64url') }],
    ['a modulus of 1024 bits', { ...rsa, n: Buffer.alloc(128, 0xff).toString('base64url') }],
    ['a modulus of 12,288 bits', { ...rsa, n: Buffer.alloc(1536, 0xff).toString('base64url') }],
    ['a string', 'jwt-svid'],
    ['null', null],
    ['an array', [ec]],
  ])('TDB-10 an element with %s is left out, the others are read', (_what, element) => {
    expect(counts(element, { ...rsa, kid: 'other' }, x509Ec)).toEqual([1, 1])
  })

  test('TDB-15 of the three uses that there are, those that are offered are read', () => {
    expect(counts(x509Ec, ec, { ...rsa, use: 'wit-svid' })).toEqual([1, 1])
  })

  test('JWT-28 an X.509 key is no JWT key, even with an id, and the other way round', () => {
    expect(counts({ ...x509Ec, kid: 'k' })).toEqual([1, 0])
    expect(counts({ ...ec, x5c: x509Ec.x5c })).toEqual([0, 1])
  })

  test.each([
    ['no x5c', without(x509Ec, 'x5c')],
    ['an empty x5c', { ...x509Ec, x5c: [] }],
    ['an x5c that is a string', { ...x509Ec, x5c: ecRoot.toString('base64') }],
    ['an x5c of null', { ...x509Ec, x5c: [null] }],
    ['an x5c of rubbish', { ...x509Ec, x5c: ['AAAA'] }],
    ['base64url', { ...x509Ec, x5c: [ecRoot.toString('base64url')] }],
    [
      'line breaks in it',
      { ...x509Ec, x5c: [`${x509Ec.x5c?.[0]?.slice(0, 64)}\n${x509Ec.x5c?.[0]?.slice(64)}`] },
    ],
    ['PEM', { ...x509Ec, x5c: [new X509Certificate(ecRoot).toString()] }],
    [
      'two certificates in one',
      { ...x509Ec, x5c: [Buffer.concat([ecRoot, rsaRoot]).toString('base64')] },
    ],
    ['a leaf', { use: 'x509-svid', kty: 'EC', x5c: [webLeaf.toString('base64')] }],
    ['kty of another key', { ...x509Ec, kty: 'RSA' }],
    ['the key of another certificate', { ...x509Ec, ...publicJwk(another) }],
  ])('X509-34 an element with %s is left out, the others are read', (_what, element) => {
    expect(counts(element, x509Rsa)).toEqual([1, 0])
    expect(parse({ keys: [element, x509Rsa] }).x509Authorities[0]?.certificate).toEqual(rsaRoot)
  })

  test('X509-35 only the first certificate of x5c counts', () => {
    const read = parse({
      keys: [{ ...x509Ec, x5c: [...(x509Ec.x5c ?? []), ...(x509Rsa.x5c ?? [])] }],
    })
    expect(read.x509Authorities.map(({ certificate }) => certificate)).toEqual([ecRoot])
  })

  test('X509-35 an element that leaves the key to its certificate is read', () => {
    expect(counts(without(x509Ec, 'x', 'y', 'crv'))).toEqual([1, 0])
  })

  test('an authority that is listed twice is read once', () => {
    expect(counts(ec, ec, x509Ec, x509Ec)).toEqual([1, 1])
    expect(counts(ec, { ...rsa, kid: ec.kid })).toEqual([0, 2])
  })

  test('T12 a document above 1 MiB, and one of more than 1024 keys, is refused', () => {
    expect(() => parse(`{"keys":[],"x":"${'a'.repeat(1_048_576)}"}`)).toThrow(
      refusal('bundle-too-large'),
    )
    expect(() => parse(`{"keys":[],"x":"${'é'.repeat(600_000)}"}`)).toThrow(
      refusal('bundle-too-large'),
    )
    expect(() => parse({ keys: Array.from({ length: 1025 }, () => 1) })).toThrow(
      refusal('bundle-too-many-keys'),
    )
    expect(counts(...Array.from({ length: 1024 }, () => 1))).toEqual([0, 0])
  })
})

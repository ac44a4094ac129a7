import { createHash } from 'node:crypto'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { parseBundleDocument, writeBundleDocument } from '../../../src/bundle/document.ts'
import { signCompact } from '../../../src/jwt/sign.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { jwtSvidClaims, verifyJwtSvid } from '../../../src/svid/jwt-svid.ts'
import { type KeyKind, softwareSigner } from '../../../src/x509/key.ts'
import {
  bundleOf,
  claimsWith,
  encode,
  forge,
  mint,
  newAuthority,
  now,
  nowSeconds,
  otherTd,
  sourceOf,
  td,
  verdict,
  verify,
  web,
} from './tokens.ts'

const p256 = await newAuthority('ec-p256', 'p256')
const p384 = await newAuthority('ec-p384', 'p384')
const p521 = await newAuthority('ec-p521', 'p521')
const rsa = await newAuthority('rsa-2048', 'rsa')
const all = [p256, p384, p521, rsa]
const bundles = sourceOf(bundleOf(td, all))
const es256 = { alg: 'ES256', kid: 'p256', typ: 'JWT' }

function token(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): string {
  return mint(p256, claimsWith(claims), { ...es256, ...header })
}

describe('form', () => {
  const [header = '', payload = '', signature = ''] = token().split('.')
  test.each([
    ['flattened JSON', JSON.stringify({ protected: header, payload, signature })],
    ['general JSON', JSON.stringify({ payload, signatures: [{ protected: header, signature }] })],
    ['the empty string', ''],
    ['one part', header],
    ['two parts', `${header}.${payload}`],
    ['four parts', `${header}.${payload}.${signature}.`],
    ['five parts', `${header}.${payload}.${signature}.${signature}.${signature}`],
    ['a padded header', `${header}=.${payload}.${signature}`],
    ['a padded signature', `${header}.${payload}.${signature}==`],
    ['standard base64', `${header}.${payload}.${signature.slice(0, -2)}+/`],
    ['a space before it', ` ${header}.${payload}.${signature}`],
    ['a line break after it', `${header}.${payload}.${signature}\n`],
    ['no payload', `${header}..${signature}`],
    ['no header', `.${payload}.${signature}`],
    ['a header of bad JSON', `${encode('{"alg":"ES256"')}.${payload}.${signature}`],
    ['a header that is an array', `${encode('["ES256"]')}.${payload}.${signature}`],
    ['a payload that is null', `${header}.${encode('null')}.${signature}`],
    ['a payload that starts with a BOM', `${header}.${encode('\ufeff{}')}.${signature}`],
    [
      'a payload that is not UTF-8',
      `${header}.${Buffer.from('{"x":"\xff"}', 'latin1').toString('base64url')}.${signature}`,
    ],
  ])('JWT-01 %s is refused', async (_what, given) => {
    expect(await verdict(given, bundles)).toBe('token-malformed')
  })

  test('JWT-01 leftover bits in the last character of a signature are refused', async () => {
    // 64 bytes leave four bits over in the 86th character: only one of sixteen spellings is right.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(signature.at(-1) ?? '')
    const twin = `${header}.${payload}.${signature.slice(0, -1)}${alphabet[last + 1]}`
    expect(await verdict(twin, bundles)).toBe('token-malformed')
  })

  test.each([
    'crit',
    'b64',
    'jwk',
    'jku',
    'x5u',
    'x5c',
    'x5t',
    'cty',
    'zip',
    'nonce',
    'constructor',
  ])('JWT-02 a header with %s is refused', async (name) => {
    expect(await verdict(token({}, { [name]: ['x'] }), bundles)).toBe('token-header')
  })

  test('JWT-02 a key id that is not a string is refused', async () => {
    expect(await verdict(token({}, { kid: 1 }), bundles)).toBe('token-header')
    expect(await verdict(token({}, { kid: null }), bundles)).toBe('token-header')
  })

  test.each([undefined, 'JWT', 'JOSE'])('JWT-09 typ %s is accepted', async (typ) => {
    expect(await verdict(token({}, { typ }), bundles)).toBe('accepted')
  })

  test.each(['jwt', 'Jose', 'at+jwt', 'wit+jwt', '', 7, null])(
    'JWT-09 typ %j is refused',
    async (typ) => {
      expect(await verdict(token({}, { typ }), bundles)).toBe('token-type')
    },
  )
})

describe('algorithms and keys', () => {
  const nine = [
    ['RS256', rsa],
    ['RS384', rsa],
    ['RS512', rsa],
    ['ES256', p256],
    ['ES384', p384],
    ['ES512', p521],
    ['PS256', rsa],
    ['PS384', rsa],
    ['PS512', rsa],
  ] as const

  test.each(nine)('JWT-05 %s is accepted', async (alg, authority) => {
    const given = mint(authority, claimsWith(), { alg, kid: authority.keyId })
    expect(await verdict(given, bundles)).toBe('accepted')
  })

  test.each([
    'none',
    'None',
    'HS256',
    'EdDSA',
    'Ed25519',
    'ES256K',
    'RS1',
    'es256',
    '',
    'toString',
    '__proto__',
    256,
    null,
    undefined,
    ['ES256'],
  ])('JWT-04 alg %j is refused', async (alg) => {
    const given = forge({ ...es256, alg }, claimsWith(), p256.privateKey, 'ES256')
    expect(await verdict(given, bundles)).toBe('token-algorithm')
  })

  test('JWT-04 the algorithm is judged before the rest of the header, the payload and the signature', async () => {
    const header = encode({ alg: 'none', crit: ['x'], typ: 'x' })
    expect(await verdict(`${header}.!.!`, bundles)).toBe('token-algorithm')
  })

  test.each([
    ['ES256', p384],
    ['ES384', p256],
    ['ES512', p256],
    ['ES256', p521],
    ['ES256', rsa],
    ['RS256', p256],
    ['PS512', p384],
  ] as const)(
    'JWT-06 %s with the id of a key that it does not fit is refused',
    async (alg, named) => {
      const signer = nine.find(([name]) => name === alg)?.[1] ?? p256
      const given = forge({ alg, kid: named.keyId }, claimsWith(), signer.privateKey, alg)
      expect(await verdict(given, bundles)).toBe('token-key')
    },
  )

  test('JWT-06 an ECDSA signature as DER, or of another length than r || s, is refused', async () => {
    const [header, payload, raw = ''] = token().split('.')
    const signature = Buffer.from(raw, 'base64url')
    const wrong = [
      Buffer.concat([Buffer.alloc(1), signature]),
      Buffer.concat([signature, Buffer.alloc(1)]),
      signature.subarray(1),
      signature.subarray(0, 63),
      Buffer.concat([
        signature.subarray(0, 32),
        Buffer.alloc(16),
        signature.subarray(32),
        Buffer.alloc(16),
      ]),
    ]
    for (const bytes of wrong) {
      const given = `${header}.${payload}.${bytes.toString('base64url')}`
      expect(await verdict(given, bundles)).toBe('token-signature')
    }
  })

  test('JWT-07 without a key id the keys that fit the algorithm are tried', async () => {
    const first = await newAuthority('ec-p256', 'other')
    const source = sourceOf(bundleOf(td, [rsa, first, p256]))
    expect(await verdict(token({}, { kid: undefined }), source)).toBe('accepted')
    expect(await verdict(token({}, { kid: undefined }), sourceOf(bundleOf(td, [rsa, first])))).toBe(
      'token-signature',
    )
  })

  test('JWT-07 without a key id at most sixteen keys are tried', async () => {
    const others = await Promise.all(
      Array.from({ length: 16 }, (_, i) => newAuthority('ec-p256', `k${i}`)),
    )
    const source = (count: number) => sourceOf(bundleOf(td, [...others.slice(0, count), p256]))
    const given = token({}, { kid: undefined })
    expect(await verdict(given, source(15))).toBe('accepted')
    expect(await verdict(given, source(16))).toBe('token-signature')
    expect(await verdict(token(), source(16))).toBe('accepted')
  })

  test('JWT-20 a key id that the bundle does not have is refused, whoever signed', async () => {
    expect(await verdict(token({}, { kid: 'p25' }), bundles)).toBe('token-key')
    expect(await verdict(token({}, { kid: '' }), bundles)).toBe('token-key')
  })

  test('JWT-20 a changed bit in any part is refused', async () => {
    const given = token()
    const parts = given.split('.')
    for (const [i, part] of parts.entries()) {
      const bytes = Buffer.from(part, 'base64url')
      for (let at = 0; at < bytes.length; at += 7) {
        const changed = Buffer.from(bytes)
        changed[at] = (changed[at] ?? 0) ^ 1
        const forged = parts.with(i, changed.toString('base64url')).join('.')
        expect(await verdict(forged, bundles)).not.toBe('accepted')
      }
    }
    expect(await verdict(given, bundles)).toBe('accepted')
  })

  test('JWT-28 TDB-02 FED-07 FED-36 only the keys of the subject’s own trust domain count', async () => {
    const theirs = await newAuthority('ec-p256', 'p256')
    const both = sourceOf(bundleOf(td, all), bundleOf(otherTd, [theirs]))
    const stolen = mint(theirs, claimsWith(), es256)
    expect(await verdict(stolen, both)).toBe('token-signature')
    expect(
      await verdict(mint(theirs, claimsWith({ sub: 'spiffe://other.example/a' }), es256), both),
    ).toBe('accepted')
    expect(await verdict(token({ sub: 'spiffe://third.example/a' }), both)).toBe(
      'token-trust-domain',
    )
  })

  test('JWT-28 a key that the bundle document publishes for WIT-SVIDs does not verify a token', async () => {
    const document = writeBundleDocument(bundleOf(td, [p256])).replace('jwt-svid', 'wit-svid')
    const source = sourceOf(parseBundleDocument(td, document))
    expect(await verdict(token(), source)).toBe('token-key')
  })

  test('FED-34 that we know another trust domain does not make it know us', async () => {
    const theirs = await newAuthority('ec-p256', 'theirs')
    const home = sourceOf(bundleOf(td, all), bundleOf(otherTd, [theirs]))
    const away = sourceOf(bundleOf(otherTd, [theirs]))
    const claims = claimsWith({ sub: 'spiffe://other.example/a' })
    const guest = mint(theirs, claims, { ...es256, kid: 'theirs' })
    expect(await verdict(guest, home)).toBe('accepted')
    expect(await verdict(token(), away)).toBe('token-trust-domain')
  })

  test('ID-27 WIT-31 a WIT-SVID that a key of ours signed is no JWT-SVID', async () => {
    const cnf = {
      jwk: { ...p256.privateKey.export({ format: 'jwk' }), d: undefined, alg: 'ES256' },
    }
    const wit = (typ: string) => token({ cnf, aud: undefined }, { typ })
    expect(await verdict(wit('wit+jwt'), bundles)).toBe('token-type')
    expect(await verdict(wit('JWT'), bundles)).toBe('token-audience')
  })

  test('JWT-29 TDB-11 a trust domain without JWT keys has no valid token', async () => {
    expect(await verdict(token(), sourceOf(bundleOf(td, [])))).toBe('token-key')
  })

  test('a tainted key still verifies', async () => {
    expect(await verdict(token(), sourceOf(bundleOf(td, [{ ...p256, tainted: true }])))).toBe(
      'accepted',
    )
  })

  test('a key past its own expiry verifies nothing, be the token as fresh as it says', async () => {
    const at = (seconds: number) =>
      sourceOf(bundleOf(td, [{ ...p256, expiresAt: new Date(now.getTime() + seconds * 1000) }]))
    expect(await verdict(token(), at(-61))).toBe('token-key')
    expect(await verdict(token(), at(-59))).toBe('accepted')
  })

  test('a key that cannot be read is passed over', async () => {
    const broken = { ...p256, publicKey: createHash('sha256').update('x').digest() }
    expect(await verdict(token(), sourceOf(bundleOf(td, [broken])))).toBe('token-key')
    expect(await verdict(token(), sourceOf(bundleOf(td, [broken, p256])))).toBe('accepted')
  })
})

describe('claims', () => {
  test.each([
    undefined,
    '',
    'alice',
    'spiffe://example.org',
    'spiffe://example.org/',
    'spiffe://example.org/a/',
    'spiffe://Example.org/a',
    'SPIFFE://example.org/a',
    'https://example.org/a',
    'spiffe://example.org/a/../b',
    7,
    null,
    [web],
  ])('JWT-11 sub %j is refused', async (sub) => {
    expect(await verdict(token({ sub }), bundles)).toBe('token-subject')
  })

  test.each([
    [['me']],
    ['me'],
    [['x', 'me']],
    [['me', 'me']],
    [Array.from({ length: 64 }, (_, i) => (i === 63 ? 'me' : `a${i}`))],
  ])('JWT-13 JWT-30 aud %j is for us', async (aud) => {
    expect(await verdict(token({ aud }), bundles)).toBe('accepted')
  })

  test.each([
    [undefined],
    [[]],
    [''],
    [['']],
    ['you'],
    [['Me']],
    [['me ']],
    ['xme'],
    [[['me']]],
    [['me', 7]],
    [{ 0: 'me' }],
    [null],
    [true],
    [['https://me', 'me/']],
    [Array.from({ length: 65 }, () => 'me')],
  ])('JWT-13 aud %j is refused', async (aud) => {
    expect(await verdict(token({ aud }), bundles)).toBe('token-audience')
  })

  test('JWT-13 one of several names of ours is enough, and none is a mistake of the caller', async () => {
    expect(await verdict(token({ aud: 'b' }), bundles, ['a', 'b'])).toBe('accepted')
    expect(await verdict(token({ aud: 'c' }), bundles, ['a', 'b'])).toBe('token-audience')
    for (const audience of [[], '', ['']]) {
      expect(await verdict(token({ aud: '' }), bundles, audience)).toBe('audience-missing')
    }
  })

  test.each([undefined, '123', null, nowSeconds + 0.5, true, [nowSeconds], 1e300, -1e300])(
    'JWT-17 JWT-30 exp %j is refused',
    async (exp) => {
      expect(await verdict(token({ exp }), bundles)).toBe('token-expiry')
    },
  )

  test.each([
    [300, 'accepted'],
    [0, 'accepted'],
    [-59, 'accepted'],
    [-60, 'token-expired'],
    [-300, 'token-expired'],
    [-nowSeconds - 1, 'token-expired'],
  ])('JWT-17 a token that expires in %i s: %s', async (seconds, expected) => {
    expect(await verdict(token({ exp: nowSeconds + seconds }), bundles)).toBe(expected)
  })

  test.each([
    [-300, 'accepted'],
    [60, 'accepted'],
    [61, 'token-not-yet-valid'],
    [300, 'token-not-yet-valid'],
  ])('JWT-18 a token not valid before %i s from now: %s', async (seconds, expected) => {
    expect(await verdict(token({ nbf: nowSeconds + seconds }), bundles)).toBe(expected)
  })

  test.each(['1', null, [1], {}])('JWT-18 nbf %j is refused', async (nbf) => {
    expect(await verdict(token({ nbf }), bundles)).toBe('token-not-yet-valid')
  })

  test.each([nowSeconds + 3600, 'soon', null, undefined, -1, 1e300])(
    'JWT-18 iat %j is not judged',
    async (iat) => {
      expect(await verdict(token({ iat }), bundles)).toBe('accepted')
    },
  )

  test('JWT-21 other claims are kept as they were signed', async () => {
    const others = { 'https://example.org/x': { deep: [1, null, 'ü'] }, iss: 'https://i' }
    const svid = await verify(token(others), bundles)
    expect(svid.claims).toEqual(claimsWith(others))
    expect(svid).toMatchObject({ spiffeId: web, audience: ['me'], issuedAt: now })
    expect(svid.expiresAt).toEqual(new Date(now.getTime() + 300_000))
  })

  test('JWT-22 one token is good twice', async () => {
    const given = token({ jti: '1' })
    expect(await verdict(given, bundles)).toBe('accepted')
    expect(await verdict(given, bundles)).toBe('accepted')
  })

  test('ID-17 a subject of 2048 bytes is accepted', async () => {
    const sub = SpiffeId.of(td, `/${'a'.repeat(2048 - 'spiffe://example.org/'.length)}`)
    expect((await verify(token({ sub }), bundles)).spiffeId).toBe(sub)
  })
})

describe('issuing', () => {
  const input = {
    spiffeId: web,
    audience: ['me', 'you', 'me'],
    issuedAt: new Date(now.getTime() + 999),
    expiresAt: new Date(now.getTime() + 300_999),
  }

  test.each([
    ['ec-p256', 'ES256'],
    ['ec-p384', 'ES384'],
    ['ec-p521', 'ES512'],
    ['rsa-2048', 'RS256'],
  ] as const)('JWT-01 JWT-02 JWT-03 JWT-08 a key of kind %s signs %s', async (kind, alg) => {
    const authority = all.find(({ keyId }) => kind.includes(keyId)) ?? rsa
    const signer = softwareSigner(authority.privateKey)
    const minted = await signCompact(signer, authority.keyId, jwtSvidClaims(input))
    expect(decodeProtectedHeader(minted)).toEqual({ alg, kid: authority.keyId, typ: 'JWT' })
    expect((await verify(minted, bundles)).spiffeId).toBe(web)
    const foreign = await jwtVerify(minted, signer.publicKey, { currentDate: now, audience: 'you' })
    expect(foreign.payload.sub).toBe(web)
  })

  test('JWT-03 an Ed25519 key signs no token', async () => {
    const { privateKey } = await newAuthority('ed25519' satisfies KeyKind, 'ed')
    await expect(signCompact(softwareSigner(privateKey), 'ed', {})).rejects.toMatchObject({
      reason: 'key-kind-not-for-jwt',
    })
  })

  test('JWT-10 JWT-12 JWT-16 JWT-30 claims are the ID, an array of audiences and whole seconds', () => {
    expect(jwtSvidClaims(input)).toEqual({
      sub: web,
      aud: ['me', 'you'],
      iat: nowSeconds,
      exp: nowSeconds + 300,
    })
    expect(jwtSvidClaims({ ...input, issuer: 'https://i', jti: 'j' })).toMatchObject({
      iss: 'https://i',
      jti: 'j',
    })
  })

  test.each([
    [{ audience: [] }, 'audience-missing'],
    [{ audience: ['a', ''] }, 'audience-missing'],
    [{ audience: Array.from({ length: 65 }, (_, i) => `a${i}`) }, 'audience-too-many'],
    [{ expiresAt: input.issuedAt }, 'token-expiry'],
    [{ expiresAt: new Date(Number.NaN) }, 'token-expiry'],
    [{ spiffeId: SpiffeId.parse('spiffe://example.org') }, 'token-subject'],
  ])('JWT-12 %j is not minted', (changes, reason) => {
    expect(() => jwtSvidClaims({ ...input, ...changes })).toThrow(
      expect.objectContaining({ code: 'invalid', reason }),
    )
  })

  test('a verifier without a bundle source for anyone refuses all', async () => {
    const none = { audience: 'me', bundles: sourceOf(), now }
    await expect(verifyJwtSvid(token(), none)).rejects.toMatchObject({
      code: 'unauthenticated',
      reason: 'token-trust-domain',
    })
  })
})

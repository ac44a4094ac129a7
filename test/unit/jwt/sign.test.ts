import { createPublicKey, sign as cryptoSign, generateKeyPairSync, verify } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { algorithmFor, fits } from '../../../src/jwt/algorithm.ts'
import { MAX_TOKEN_BYTES, readCompact } from '../../../src/jwt/compact.ts'
import { derToP1363, p1363ToDer } from '../../../src/jwt/ecdsa.ts'
import { publicKeyOf } from '../../../src/jwt/key-cache.ts'
import { signCompact } from '../../../src/jwt/sign.ts'
import { verifySignature } from '../../../src/jwt/verify.ts'
import { generateKeyPair, type Signer, softwareSigner, spkiOf } from '../../../src/x509/key.ts'

const p256 = await generateKeyPair('ec-p256')
const signer = softwareSigner(p256.privateKey)

/** ECDSA, of 1 and 1. */
const small = Buffer.from('3006020101020101', 'hex')

function answering(bytes: Buffer, kind: Signer['kind'] = 'ec-p256'): Signer {
  return { publicKey: p256.publicKey, kind, sign: () => Promise.resolve(bytes) }
}

describe('signatures', () => {
  // Of one number in 256 the first byte is 0, and of 521 bits that of each second one; the longer curves are slow.
  test.each([
    ['prime256v1', 32, 600],
    ['secp384r1', 48, 150],
    ['secp521r1', 66, 40],
  ] as const)('DER becomes r || s of the full width on %s', (namedCurve, width, times) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
    const data = Buffer.from('data')
    for (let i = 0; i < times; i++) {
      const raw = derToP1363(cryptoSign('sha256', data, privateKey), width)
      expect(raw).toHaveLength(width * 2)
      if (i % 20 > 0 && raw[0] !== 0 && raw[width] !== 0) continue
      const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
      expect(verify('sha256', data, key, raw)).toBe(true)
    }
  })

  test.each([
    ['01', '01', '3006020101020101'],
    ['80', '7f', '30070202008002017f'],
    ['ff'.repeat(32), '0180', `3027022100${'ff'.repeat(32)}02020180`],
  ])('r of %s and s of %s become DER as short as it gets', (r, s, der) => {
    const raw = Buffer.from(r.padStart(64, '0') + s.padStart(64, '0'), 'hex')
    expect(p1363ToDer(raw).toString('hex')).toBe(der)
    expect(derToP1363(Buffer.from(der, 'hex'), 32)).toEqual(raw)
  })

  test('small numbers are padded on the left', () => {
    const raw = derToP1363(Buffer.from('300702010102020080', 'hex'), 32)
    expect(raw.toString('hex')).toBe(`${'00'.repeat(31)}01${'00'.repeat(31)}80`)
  })

  test.each([
    ['nothing', ''],
    ['one number', '3003020101'],
    ['three numbers', '3009020101020101020101'],
    ['bytes behind it', '300602010102010100'],
    ['a number too wide', `302702210${'1'.repeat(65)}020101`],
    ['a negative number', '3006020181020101'],
    ['a number that runs over its end', '3006020101020201'],
    ['another type around it', '3106020101020101'],
    ['another type in it', '3006020101030101'],
    ['a length that says more', '3007020101020101'],
    ['a length without end', '3080020101020101'],
    ['an empty number', '30050200020101'],
    ['a length that is not minimal', '308106020101020101'],
    ['a number that is not minimal', '300702020001020101'],
  ])('a signer that answers with %s is found out', (_what, hex) => {
    expect(() => derToP1363(Buffer.from(hex, 'hex'), 32)).toThrow(
      expect.objectContaining({ code: 'internal', reason: 'signature-malformed' }),
    )
  })

  test('a signer whose RSA signature has the wrong length is found out', async () => {
    const { publicKey } = await generateKeyPair('rsa-2048')
    const rsa = { ...answering(Buffer.alloc(255), 'rsa-2048'), publicKey }
    await expect(signCompact(rsa, 'k', {})).rejects.toMatchObject({ reason: 'signature-malformed' })
  })
})

describe('tokens', () => {
  test('the signer gets exactly the bytes that stand in the token', async () => {
    let seen = ''
    const spy: Signer = {
      ...signer,
      sign(data) {
        seen = Buffer.from(data).toString()
        return signer.sign(data)
      },
    }
    const token = await signCompact(spy, 'k', { sub: 'ü' })
    expect(token.slice(0, token.lastIndexOf('.'))).toBe(seen)
    expect({ ...readCompact(token).claims }).toEqual({ sub: 'ü' })
  })

  test('no token is larger than what is read', async () => {
    const largest = Math.floor(((MAX_TOKEN_BYTES - 52 - 86 - 2) * 3) / 4) - 8
    const token = await signCompact(signer, 'k', { a: 'a'.repeat(largest) })
    expect(token.length).toBeGreaterThan(MAX_TOKEN_BYTES - 8)
    expect(() => readCompact(token)).not.toThrow()
    await expect(signCompact(signer, 'k', { a: 'a'.repeat(largest + 6) })).rejects.toMatchObject({
      reason: 'token-too-large',
    })
  })

  test('a token without a key id is not signed', async () => {
    await expect(signCompact(signer, '', {})).rejects.toMatchObject({
      reason: 'token-key-id-missing',
    })
  })
})

describe('verification', () => {
  test('a key that does not fit the algorithm, or did not sign, is a plain no', async () => {
    const token = await signCompact(signer, 'k', {})
    const parsed = readCompact(token)
    for (const kind of ['ec-p256', 'ec-p384', 'rsa-2048', 'ed25519'] as const) {
      const { publicKey } = await generateKeyPair(kind)
      expect(await verifySignature(token, parsed, publicKey)).toBe(false)
    }
    expect(await verifySignature(token, parsed, p256.publicKey)).toBe(true)
  })
})

describe('keys', () => {
  test('each kind of key fits its own algorithm, and RSA all six', async () => {
    const rsa = (await generateKeyPair('rsa-2048')).publicKey
    expect(fits(algorithmFor('ec-p256'), p256.publicKey)).toBe(true)
    expect(fits('ES384', p256.publicKey)).toBe(false)
    expect(fits('RS256', p256.publicKey)).toBe(false)
    for (const alg of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const) {
      expect(fits(alg, rsa)).toBe(true)
    }
    expect(fits('ES256', rsa)).toBe(false)
  })

  test('RSA below 2048 bits, RSA-PSS and secp256k1 fit nothing', () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
    const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey
    const koblitz = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey
    expect(fits('RS256', weak)).toBe(false)
    expect(fits('PS256', pss)).toBe(false)
    expect(fits('ES256', koblitz)).toBe(false)
    for (const key of [weak, pss, koblitz]) expect(publicKeyOf(spkiOf(key))).toBeUndefined()
  })

  test('the same bytes give the same key object', () => {
    const spki = spkiOf(p256.publicKey)
    expect(publicKeyOf(Buffer.from(spki))).toBe(publicKeyOf(spki))
    expect(publicKeyOf(spki)?.equals(createPublicKey(p256.privateKey))).toBe(true)
    expect(publicKeyOf(Buffer.from('rubbish'))).toBeUndefined()
    expect(publicKeyOf(Buffer.from('rubbish'))).toBeUndefined()
  })

  test('the cache is bounded and what was dropped comes back', () => {
    const spki = spkiOf(p256.publicKey)
    const before = publicKeyOf(spki)
    for (let i = 0; i < 1100; i++) publicKeyOf(Buffer.from(`rubbish ${i}`))
    const after = publicKeyOf(spki)
    expect(after).not.toBe(before)
    expect(after?.equals(p256.publicKey)).toBe(true)
  })
})

describe('headers', () => {
  test('one that was read before is judged by the types that are taken now', async () => {
    const token = await signCompact(signer, 'k', { sub: 'x' }, 'at+jwt')
    const ofAccessTokens = new Set(['at+jwt'])
    for (let round = 0; round < 2; round++) {
      expect(readCompact(token, ofAccessTokens).keyId).toBe('k')
      expect(() => readCompact(token)).toThrow(expect.objectContaining({ reason: 'token-type' }))
    }
  })

  test('of more keys than are remembered each token has its own', async () => {
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 100; n++) {
        const token = await signCompact(answering(small), `k${n} a`, {}, 'JWT')
        expect(readCompact(token).keyId).toBe(`k${n} a`)
      }
    }
  })

  test('it says what it is signed as, whatever the same key has signed before', async () => {
    for (const typ of ['JWT', 'at+jwt', 'JWT', 'secevent+jwt'] as const) {
      const [header = ''] = (await signCompact(answering(small), 'k', {}, typ)).split('.')
      expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({
        alg: 'ES256',
        kid: 'k',
        typ,
      })
    }
  })
})

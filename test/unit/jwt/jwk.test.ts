import { generateKeyPairSync } from 'node:crypto'
import { exportJWK, importJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { algorithmFor } from '../../../src/jwt/algorithm.ts'
import { publicJwk, spkiFromJwk } from '../../../src/jwt/jwk.ts'
import { generateKeyPair, type KeyKind, spkiOf } from '../../../src/x509/key.ts'

const kinds: KeyKind[] = ['ec-p256', 'ec-p384', 'ec-p521', 'rsa-2048', 'rsa-3072']

function refusal(reason: string): unknown {
  return expect.objectContaining({ code: 'invalid', reason })
}

describe('JWK', () => {
  test.each(kinds)('a key of kind %s goes there and back, as jose writes it', async (kind) => {
    const { publicKey } = await generateKeyPair(kind)
    const spki = spkiOf(publicKey)
    const jwk = publicJwk(spki)
    expect(jwk).toEqual(await exportJWK(publicKey))
    expect(spkiFromJwk(jwk)).toEqual(spki)
    await expect(importJWK(jwk, algorithmFor(kind))).resolves.toBeDefined()
  })

  test('a coordinate that starts with zeros keeps its full width', async () => {
    for (let tries = 0; tries < 20_000; tries++) {
      const { publicKey } = await generateKeyPair('ec-p256')
      const jwk = publicJwk(spkiOf(publicKey))
      if (jwk.kty !== 'EC') throw new TypeError('an EC key is expected')
      const [x, y] = [Buffer.from(jwk.x, 'base64url'), Buffer.from(jwk.y, 'base64url')]
      expect(x).toHaveLength(32)
      // One key in 128 or so.
      if (x[0] !== 0 && y[0] !== 0) continue
      expect(spkiFromJwk(jwk)).toEqual(spkiOf(publicKey))
      return
    }
    throw new Error('no such key in 20,000')
  })

  test('a private key gives nothing but its public half, and other members are not looked at', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ec-p256')
    const jwk = privateKey.export({ format: 'jwk' })
    expect(spkiFromJwk({ ...jwk })).toEqual(spkiOf(publicKey))
    expect(Object.keys(publicJwk(spkiOf(privateKey))).sort()).toEqual(['crv', 'kty', 'x', 'y'])
  })

  test('RFC 7518 §6 a number has one spelling: a coordinate its full width, those of RSA no zeros before them', () => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
      format: 'jwk',
    })
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
      format: 'jwk',
    })
    const padded = (value = '') =>
      Buffer.concat([Buffer.alloc(1), Buffer.from(value, 'base64url')]).toString('base64url')
    for (const other of [
      { ...ec, x: padded(ec.x) },
      { ...ec, y: padded(ec.y) },
      { ...rsa, n: padded(rsa.n) },
      { ...rsa, e: padded(rsa.e) },
      { ...rsa, n: `${rsa.n}=` },
      { ...rsa, n: undefined },
    ]) {
      expect(() => spkiFromJwk({ ...other })).toThrow(refusal('jwk-malformed'))
    }
    spkiFromJwk({ ...ec })
    spkiFromJwk({ ...rsa })
  })

  test('a key that is too weak is refused', () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
    expect(() => spkiFromJwk({ ...weak.export({ format: 'jwk' }) })).toThrow(refusal('key-weak'))
  })

  test('Ed25519 keys and rubbish are refused', async () => {
    const { publicKey } = await generateKeyPair('ed25519')
    expect(() => publicJwk(spkiOf(publicKey))).toThrow(refusal('jwk-key-kind'))
    expect(() => publicJwk(Buffer.from('rubbish'))).toThrow(refusal('der-malformed'))
    expect(() => spkiFromJwk({ ...publicKey.export({ format: 'jwk' }) })).toThrow(
      refusal('jwk-key-kind'),
    )
    expect(() => spkiFromJwk({})).toThrow(refusal('jwk-key-kind'))
    expect(() => spkiFromJwk({ kty: 'EC', crv: '__proto__' })).toThrow(refusal('jwk-key-kind'))
    expect(() => spkiFromJwk({ kty: 'RSA', n: 'a'.repeat(5000), e: 'AQAB' })).toThrow(
      refusal('jwk-malformed'),
    )
  })
})

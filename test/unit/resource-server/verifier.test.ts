import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  accessOf,
  createVerifier,
  requireAccessToken,
  type VerifierOptions,
} from 'countersign/resource-server'
import {
  type CryptoKey,
  exportJWK,
  type GenerateKeyPairResult,
  generateKeyPair,
  type JWK,
  SignJWT,
} from 'jose'
import { beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import * as signatures from '../../../src/jwt/verify.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

const issuer = 'https://as.example.org'
const audience = 'https://orders.example.org'
const certificate = Buffer.from('a certificate')
const thumbprint = createHash('sha256').update(certificate).digest('base64url')

let keys: GenerateKeyPairResult
let jwk: JWK
let clock: FakeClock

beforeAll(async () => {
  keys = await generateKeyPair('ES256')
  jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', use: 'sig', alg: 'ES256' }
})

beforeEach(() => {
  clock = new FakeClock()
})

function verifierWith(options: Partial<VerifierOptions> = {}) {
  const jwks = async () => JSON.stringify({ keys: [jwk] })
  return createVerifier({ issuer, audience, jwks, clock, ...options })
}

function seconds(offset = 0): number {
  return Math.floor(clock.now().getTime() / 1000) + offset
}

interface Said {
  readonly claims?: Record<string, unknown>
  readonly header?: Record<string, unknown>
  key?: CryptoKey
}

function sign({ claims = {}, header = {}, key = keys.privateKey }: Said = {}): Promise<string> {
  return new SignJWT({
    ...{ iss: issuer, aud: audience, sub: 'spiffe://example.org/web', jti: 'token-1' },
    ...{ client_id: 'spiffe://example.org/web', scope: 'orders:read' },
    ...{ iat: seconds(), exp: seconds(60) },
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'at+jwt', ...header })
    .sign(key)
}

test('a good token says who may do what until when', async () => {
  expect(await verifierWith().verify(await sign())).toEqual({
    subject: 'spiffe://example.org/web',
    clientId: 'spiffe://example.org/web',
    actors: [],
    scopes: new Set(['orders:read']),
    tokenId: 'token-1',
    issuedAt: new Date(seconds() * 1000),
    expiresAt: new Date(seconds(60) * 1000),
    bound: false,
  })
})

test('RFC 8693 §4.1 a token that was exchanged names who passed the request on, the last of them first', async () => {
  const act = { sub: 'spiffe://example.org/shop', act: { sub: 'spiffe://example.org/gate' } }
  const { actors } = await verifierWith().verify(await sign({ claims: { act } }))
  expect(actors).toEqual(['spiffe://example.org/shop', 'spiffe://example.org/gate'])
})

describe('is refused:', () => {
  const refusals: readonly [string, () => Said][] = [
    ['token-type', () => ({ header: { typ: 'JWT' } })],
    ['token-type', () => ({ header: { typ: undefined } })],
    ['token-header', () => ({ header: { jku: 'https://evil.example' } })],
    ['token-key', () => ({ header: { kid: 'two' } })],
    ['token-key', () => ({ header: { kid: undefined } })],
    ['token-issuer', () => ({ claims: { iss: `${issuer}/` } })],
    ['token-audience', () => ({ claims: { aud: `${audience}/` } })],
    ['token-audience', () => ({ claims: { aud: [audience, 'https://other.example.org'] } })],
    ['token-audience', () => ({ claims: { aud: undefined } })],
    ['token-expired', () => ({ claims: { exp: seconds(-5) } })],
    ['token-expiry', () => ({ claims: { exp: undefined } })],
    ['token-expiry', () => ({ claims: { iat: 'now' } })],
    ['token-not-yet-valid', () => ({ claims: { iat: seconds(30) } })],
    ['token-not-yet-valid', () => ({ claims: { nbf: seconds(30) } })],
    ['token-not-yet-valid', () => ({ claims: { iat: seconds(30), nbf: seconds(0) } })],
    ['token-claims', () => ({ claims: { sub: undefined } })],
    ['token-claims', () => ({ claims: { client_id: 7 } })],
    ['token-claims', () => ({ claims: { jti: '' } })],
    ['token-claims', () => ({ claims: { scope: ['orders:read'] } })],
    ['token-claims', () => ({ claims: { act: 'spiffe://example.org/shop' } })],
    ['token-claims', () => ({ claims: { act: { sub: 'a', act: { sub: '' } } } })],
    ['token-claims', () => ({ claims: { act: null } })],
    ['token-binding', () => ({ claims: { cnf: { 'x5t#S256': thumbprint } } })],
    ['token-binding', () => ({ claims: { cnf: { jkt: thumbprint } } })],
    ['token-binding', () => ({ claims: { cnf: {} } })],
    ['token-binding', () => ({ claims: { cnf: null } })],
    ['token-too-large', () => ({ claims: { filler: 'x'.repeat(9000) } })],
  ]

  test.for(refusals)('%s', async ([reason, said]) => {
    await expect(verifierWith().verify(await sign(said()))).rejects.toMatchObject({
      code: 'unauthenticated',
      reason,
    })
  })

  test('a signature of another key under the same id, an unsigned token, and an HMAC by the public key', async () => {
    const verify = (token: string) => verifierWith().verify(token)
    const { privateKey } = await generateKeyPair('ES256')
    const forged = await sign({ key: privateKey })
    await expect(verify(forged)).rejects.toMatchObject({ reason: 'token-signature' })
    const [, payload = ''] = (await sign()).split('.')
    for (const alg of ['none', 'HS256']) {
      const header = Buffer.from(JSON.stringify({ alg, kid: 'one', typ: 'at+jwt' }))
      await expect(verify(`${header.toString('base64url')}.${payload}.AAAA`)).rejects.toMatchObject(
        {
          reason: 'token-algorithm',
        },
      )
    }
  })
})

test('a bound token is good with its certificate alone, and others are not where binding is asked for', async () => {
  const bound = await sign({ claims: { cnf: { 'x5t#S256': thumbprint } } })
  const verifier = verifierWith({ requireBound: true })
  expect(await verifier.verify(bound, { certificate })).toMatchObject({ bound: true })
  const refused = { reason: 'token-binding' }
  const other = Buffer.from('another certificate')
  await expect(verifier.verify(bound, { certificate: other })).rejects.toMatchObject(refused)
  // RFC 7800 §3.1: of another kind, or of two, it cannot be told what they confirm.
  for (const cnf of [{ jkt: thumbprint }, { 'x5t#S256': thumbprint, jkt: thumbprint }]) {
    const unknown = await sign({ claims: { cnf } })
    await expect(verifier.verify(unknown, { certificate })).rejects.toMatchObject(refused)
  }
  await expect(verifier.verify(await sign(), { certificate })).rejects.toMatchObject(refused)
})

test('what is checked first says why: size, algorithm, type, key, signature, issuer, audience, time, binding, revocation', async () => {
  const [other, foreign] = await Promise.all([generateKeyPair('ES256'), generateKeyPair('EdDSA')])
  const faults: readonly (readonly [string, Said])[] = [
    ['token-too-large', { claims: { filler: 'x'.repeat(9000) } }],
    ['token-algorithm', { header: { alg: 'EdDSA' }, key: foreign.privateKey }],
    ['token-type', { header: { typ: 'JWT' } }],
    ['token-key', { header: { kid: 'two' } }],
    ['token-signature', { key: other.privateKey }],
    ['token-issuer', { claims: { iss: 'https://other' } }],
    ['token-audience', { claims: { aud: 'https://other' } }],
    ['token-expired', { claims: { exp: seconds(-60) } }],
    ['token-binding', { claims: { cnf: { jkt: 'x' } } }],
    ['token-revoked', {}],
  ]
  const revocations = { fresh: () => true, judge: () => ({}) }
  for (const [at, [reason]] of faults.entries()) {
    const all: Required<Said> = { claims: {}, header: {}, key: keys.privateKey }
    // The first of them wins, where they say the same member.
    for (const [, { claims, header, key = all.key }] of faults.slice(at).reverse()) {
      Object.assign(all.claims, claims)
      Object.assign(all.header, header)
      all.key = key
    }
    const refusal = verifierWith({ revocations }).verify(await sign(all))
    await expect(refusal).rejects.toMatchObject({ reason })
  }
})

describe('the issuer’s keys', () => {
  test('are fetched once for all who wait, and again for an id that is new', async () => {
    let fetched = 0
    let kids = ['one']
    const verifier = verifierWith({
      jwks: async () => {
        fetched += 1
        return JSON.stringify({ keys: kids.map((kid) => ({ ...jwk, kid })) })
      },
    })
    const one = await sign()
    await Promise.all([verifier.verify(one), verifier.verify(one)])
    await verifier.verify(one)
    expect(fetched).toBe(1)
    const two = await sign({ header: { kid: 'two' }, claims: { exp: seconds(600) } })
    await expect(verifier.verify(two)).rejects.toMatchObject({ reason: 'token-key' })
    expect(fetched).toBe(1)
    kids = ['one', 'two']
    await clock.advance(5001)
    await verifier.verify(two)
    expect(fetched).toBe(2)
  })

  test('stay good for ten minutes while nobody answers, and no longer', async () => {
    let down = false
    const verifier = verifierWith({
      jwks: async () => {
        if (down) throw new Error('down')
        return JSON.stringify({ keys: [jwk] })
      },
    })
    const token = await sign({ claims: { exp: seconds(3600) } })
    await verifier.verify(token)
    down = true
    await clock.advance(599_000)
    await verifier.verify(token)
    await clock.advance(6000)
    await expect(verifier.verify(token)).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'jwks-unavailable',
    })
    down = false
    await clock.advance(6000)
    await verifier.verify(token)
  })

  test('that are for something else than signatures are none', async () => {
    const jwks = async () => JSON.stringify({ keys: [{ ...jwk, use: 'jwt-svid' }] })
    await expect(verifierWith({ jwks }).verify(await sign())).rejects.toMatchObject({
      reason: 'token-key',
    })
  })

  test('are at an https URL', () => {
    for (const jwks of ['http://as.example.org/oauth/jwks', 'keys']) {
      expect(() => verifierWith({ jwks })).toThrow(expect.objectContaining({ reason: 'jwks-url' }))
    }
    expect(() => verifierWith({ audience: '' })).toThrow(
      expect.objectContaining({ reason: 'verifier-options' }),
    )
  })
})

describe('a signature that was good', () => {
  test('is not computed again, and counts no more once the issuer has no such key, or another one', async () => {
    const verified = vi.spyOn(signatures, 'verifySignature')
    onTestFinished(() => verified.mockRestore())
    let served: readonly JWK[] = [jwk]
    const verifier = verifierWith({ jwks: async () => JSON.stringify({ keys: served }) })
    const token = await sign({ claims: { exp: seconds(3600) } })
    await verifier.verify(token)
    await verifier.verify(token)
    expect(verified).toHaveBeenCalledTimes(1)
    const other = await generateKeyPair('ES256')
    served = [{ ...(await exportJWK(other.publicKey)), kid: 'one', use: 'sig' }]
    await clock.advance(301_000)
    await verifier.verify(token)
    await clock.advance(1)
    await expect(verifier.verify(token)).rejects.toMatchObject({ reason: 'token-signature' })
    served = [{ ...jwk, kid: 'two' }]
    await clock.advance(301_000)
    await expect(verifier.verify(token)).rejects.toMatchObject({ reason: 'token-signature' })
    await clock.advance(1)
    await expect(verifier.verify(token)).rejects.toMatchObject({ reason: 'token-key' })
  })

  test('is forgotten where 4,096 others were shown since', async () => {
    const verified = vi.spyOn(signatures, 'verifySignature').mockResolvedValue(true)
    onTestFinished(() => verified.mockRestore())
    const verifier = verifierWith()
    const [header, payload] = (await sign()).split('.')
    const numbered = (number: number) =>
      `${header}.${payload}.${Buffer.from(`${number}`).toString('base64url')}`
    for (let number = 0; number <= 4096; number += 1) await verifier.verify(numbered(number))
    await verifier.verify(numbered(4096))
    expect(verified).toHaveBeenCalledTimes(4097)
    await verifier.verify(numbered(0))
    expect(verified).toHaveBeenCalledTimes(4098)
  })
})

describe('in front of a service', () => {
  async function serve(options: Partial<VerifierOptions> = {}) {
    const guard = requireAccessToken({ verifier: verifierWith(options), scopes: ['orders:read'] })
    const server = createServer(
      (request, response) =>
        void guard(request, response, () => response.end(accessOf(request).subject)),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    return async (authorization?: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}/`, {
        headers: authorization === undefined ? {} : { authorization },
      })
      return [answer.status, answer.headers.get('www-authenticate')]
    }
  }

  test('no token, a bad one, too small a one and two of them get the answers of RFC 6750', async () => {
    const ask = await serve()
    expect(await ask(`Bearer ${await sign()}`)).toEqual([200, null])
    expect(await ask()).toEqual([401, 'Bearer'])
    expect(await ask('Bearer x.y.z')).toEqual([401, 'Bearer error="invalid_token"'])
    expect(await ask(`Bearer ${await sign({ claims: { scope: 'orders:write' } })}`)).toEqual([
      403,
      'Bearer error="insufficient_scope", scope="orders:read"',
    ])
    expect(await ask('Bearer a, Bearer b')).toEqual([400, 'Bearer error="invalid_request"'])
  })

  test('it answers 503 while the keys cannot be had', async () => {
    const jwks = async () => Promise.reject(new Error('down'))
    expect(await (await serve({ jwks }))(`Bearer ${await sign()}`)).toEqual([503, null])
  })

  test('a handler that nobody guards learns nothing', () => {
    expect(() => accessOf({})).toThrow(expect.objectContaining({ reason: 'access-unchecked' }))
    expect(() => requireAccessToken({ verifier: verifierWith(), scopes: ['a b'] })).toThrow(
      expect.objectContaining({ reason: 'scope-unsound' }),
    )
  })
})

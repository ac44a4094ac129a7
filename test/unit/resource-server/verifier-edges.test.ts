import { generateKeyPair as generateKeys } from 'node:crypto'
import { promisify } from 'node:util'
import { createVerifier, type Verifier, type VerifierOptions } from 'countersign/resource-server'
import { SignJWT } from 'jose'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import * as signatures from '../../../src/jwt/verify.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { reasonOf } from '../../support/reason-of.ts'
import { type TestIssuer, testIssuer } from './access-fixtures.ts'

const audience = 'https://orders.example.org'
let clock: FakeClock
let issuer: TestIssuer
let verifier: Verifier

beforeEach(async () => {
  clock = new FakeClock()
  issuer = await testIssuer(clock)
  verifier = issuer.verifier({ audience })
})

const seconds = (offset = 0): number => Math.floor(clock.now().getTime() / 1000) + offset
const tokenOf = (claims: Record<string, unknown> = {}): Promise<string> =>
  issuer.token({ aud: audience, sub: 'a', client_id: 'a', ...claims })
/** `accepted`, or why not. */
const outcome = async (claims: Record<string, unknown>, by = verifier): Promise<string> =>
  reasonOf(by.verify(await tokenOf(claims)))

test('a token has 8,192 bytes at most', async () => {
  const lengthOf = async (filler: number) => (await tokenOf({ filler: 'x'.repeat(filler) })).length
  // Three characters of the payload are four of the token.
  let filler = 5000
  while ((await lengthOf(filler + 1)) <= 8192) filler += 1
  expect(await lengthOf(filler)).toBe(8192)
  expect(await outcome({ filler: 'x'.repeat(filler) })).toBe('accepted')
  expect(await outcome({ filler: 'x'.repeat(filler + 1) })).toBe('token-too-large')
})

test.for(['at+jwt', 'application/at+jwt'])(
  'RFC 9068 §4 the type of an access token may be %s',
  async (typ) => {
    const keys = await promisify(generateKeys)('ec', { namedCurve: 'P-256' })
    const jwk = { ...keys.publicKey.export({ format: 'jwk' }), kid: 'k', use: 'sig' }
    const by = issuer.verifier({ audience, jwks: async () => JSON.stringify({ keys: [jwk] }) })
    const said = { iss: issuer.issuer, jti: 'a', aud: audience, sub: 'a', client_id: 'a' }
    const token = await new SignJWT({ ...said, iat: seconds(), exp: seconds(60) })
      .setProtectedHeader({ alg: 'ES256', kid: 'k', typ })
      .sign(keys.privateKey)
    expect(await reasonOf(by.verify(token))).toBe('accepted')
  },
)

test('RFC 7519 §4.1.3 the one audience may stand in a list of one', async () => {
  expect(await outcome({ aud: [audience] })).toBe('accepted')
  expect(await outcome({ aud: [] })).toBe('token-audience')
  expect(await outcome({ aud: [[audience]] })).toBe('token-audience')
})

describe('clocks may differ by `clockSkew`, 5 s unless told, and no more:', () => {
  test.for([
    [undefined, 5],
    [0, 0],
    [60, 60],
  ] as const)('%s', async ([clockSkew, skew]) => {
    const options: Partial<VerifierOptions> = clockSkew === undefined ? {} : { clockSkew }
    const by = issuer.verifier({ audience, ...options })
    const old = { iat: seconds(-600) }
    expect(await outcome({ ...old, exp: seconds(1 - skew) }, by)).toBe('accepted')
    expect(await outcome({ ...old, exp: seconds(-skew) }, by)).toBe('token-expired')
    const late = { exp: seconds(600) }
    expect(await outcome({ ...late, iat: seconds(skew) }, by)).toBe('accepted')
    expect(await outcome({ ...late, iat: seconds(skew + 1) }, by)).toBe('token-not-yet-valid')
    expect(await outcome({ ...late, nbf: seconds(skew) }, by)).toBe('accepted')
    expect(await outcome({ ...late, nbf: seconds(skew + 1) }, by)).toBe('token-not-yet-valid')
  })

  test.for([-1, 61, Number.NaN])('%s is refused', (clockSkew) => {
    expect(() => issuer.verifier({ audience, clockSkew })).toThrow(
      expect.objectContaining({ reason: 'verifier-options' }),
    )
  })
})

test('an issuer that ends with a slash is refused where its keys are to be found by it', () => {
  const slash = { issuer: 'https://as.example.org/', audience }
  expect(() => createVerifier(slash)).toThrow(
    expect.objectContaining({ reason: 'verifier-options', fix: expect.stringContaining('`jwks`') }),
  )
  expect(() => createVerifier({ ...slash, jwks: 'https://as.example.org/keys' })).not.toThrow()
})

test.for(['issuer', 'audience'])('a verifier without an %s is none', (missing) => {
  for (const nothing of ['', undefined, null]) {
    expect(() => issuer.verifier({ audience, [missing]: nothing })).toThrow(
      expect.objectContaining({ reason: 'verifier-options' }),
    )
  }
})

test.for([
  [{ exp: 8.64e12 + 1 }, 'token-expiry'],
  [{ exp: 1e300 }, 'token-expiry'],
  [{ exp: String(2e9) }, 'token-expiry'],
  [{ exp: [2e9] }, 'token-expiry'],
  [{ iat: String(1e9) }, 'token-expiry'],
  [{ iat: -1e300 }, 'token-expiry'],
  [{ nbf: 'now' }, 'token-not-yet-valid'],
  [{ nbf: null }, 'token-not-yet-valid'],
  [{ nbf: -1e300 }, 'token-not-yet-valid'],
] as const)(
  'a time that is no number of seconds that there are makes no token good: %o',
  async ([claims, reason]) => {
    expect(await outcome(claims)).toBe(reason)
  },
)

test('what a token says of scopes and names is taken where it is text, and blanks are no scope', async () => {
  const { scopes, ...access } = await verifier.verify(
    await tokenOf({ scope: ' a  b ', entry_id: 7, owner: '', purpose: null, txn: ['t'] }),
  )
  expect(scopes).toEqual(new Set(['a', 'b']))
  expect(access).not.toHaveProperty('entryId')
  for (const name of ['owner', 'purpose', 'transaction']) expect(access).not.toHaveProperty(name)
  const told = await verifier.verify(await tokenOf({ scope: '', entry_id: 'e', owner: 'o' }))
  expect([told.scopes, told.entryId, told.owner]).toEqual([new Set(), 'e', 'o'])
})

test('of 4,096 tokens whose signature was good the one that was shown last is the last to be forgotten', async () => {
  const [header, payload] = (await tokenOf({ exp: seconds(3600) })).split('.')
  const verified = vi.spyOn(signatures, 'verifySignature').mockResolvedValue(true)
  onTestFinished(() => verified.mockRestore())
  const show = (number: number) =>
    verifier.verify(`${header}.${payload}.${Buffer.from(`${number}`).toString('base64url')}`)
  for (let number = 0; number < 4096; number += 1) await show(number)
  for (const shownAgain of [5, 0]) await show(shownAgain)
  expect(verified).toHaveBeenCalledTimes(4096)
  await show(4096)
  await show(0)
  expect(verified).toHaveBeenCalledTimes(4097)
  await show(1)
  expect(verified).toHaveBeenCalledTimes(4098)
})

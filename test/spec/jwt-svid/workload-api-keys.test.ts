import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { nextUpdate } from '../../../src/testing/next-update.ts'
import { JwtSource } from '../../../src/workload-api/jwt-source.ts'
import { spkiOf } from '../../../src/x509/key.ts'
import { web as granted, startApi } from '../../support/fake-api.ts'
import { claimsWith, encode, hmac, mint, newAuthority, now, verdict } from './tokens.ts'

// What a program makes of the keys that a Workload API sends it: the whole way, from the socket to the verdict.

const key = await newAuthority('ec-p256', 'k1')
const jwk = { ...publicJwkOf(key.publicKey), kid: 'k1' }
const header = { alg: 'ES256', kid: 'k1', typ: 'JWT' }
const good = mint(key, claimsWith(), header)
const withoutKid = mint(key, claimsWith(), { alg: 'ES256' })
const ed25519 = generateKeyPairSync('ed25519')
const edSigned = `${encode({ alg: 'EdDSA', kid: 'k1' })}.${encode(claimsWith())}`
const edToken = `${edSigned}.${sign(null, Buffer.from(edSigned), ed25519.privateKey).toString('base64url')}`
const pem = createPublicKey({ key: key.publicKey, format: 'der', type: 'spki' }).export({
  format: 'pem',
  type: 'spki',
})
const unknown = { kty: 'LWE', kid: 'k2', use: 'jwt-svid', pub: 'AAAA' }

function publicJwkOf(spki: Buffer): Record<string, unknown> {
  return {
    ...createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({ format: 'jwk' }),
  }
}

async function sourceWith(...keys: readonly object[]): Promise<JwtSource> {
  const clock = new FakeClock(now)
  const api = await startApi({ clock })
  await api.grant(granted)
  const source = await JwtSource.open({ endpoint: api.endpoint, clock })
  onTestFinished(() => source.close())
  const updated = nextUpdate(source)
  const jwks = Buffer.from(JSON.stringify({ keys }))
  api.send('FetchJWTBundles', { bundles: { 'spiffe://example.org': jwks } })
  await updated
  return source
}

test.each<[string, readonly object[], string]>([
  ['for JWT-SVIDs', [{ ...jwk, use: 'jwt-svid' }], good],
  ['without a use', [jwk], good],
  ['JWT-07 and a token without a key id', [jwk], withoutKid],
  ['TDB-10 TDB-13 beside one of an unknown type', [unknown, jwk], good],
  ['TDB-10 beside what is no key', [7, null, [], 'key', jwk] as object[], good],
  [
    'JWT-07 beside one of another kind, and a token without a key id',
    [
      {
        ...publicJwkOf(spkiOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)),
        kid: 'r',
      },
      jwk,
    ],
    withoutKid,
  ],
])('with a key %s a token is accepted', async (_what, keys, token) => {
  expect(await verdict(token, await sourceWith(...keys))).toBe('accepted')
})

test.each<[string, readonly object[], string, string]>([
  ['JWT-28 for X509-SVIDs', [{ ...jwk, use: 'x509-svid' }], good, 'token-key'],
  [
    'JWT-28 for X509-SVIDs, and a token without a key id',
    [{ ...jwk, use: 'x509-svid' }],
    withoutKid,
    'token-key',
  ],
  ['JWT-28 for WIT-SVIDs', [{ ...jwk, use: 'wit-svid' }], good, 'token-key'],
  ['of a use that nobody defined', [{ ...jwk, use: 'sig' }], good, 'token-key'],
  ['JWT-29 TDB-11 that is not there: the set is empty', [], good, 'token-key'],
  ['TDB-11 of an unknown type alone', [unknown], good, 'token-key'],
  [
    'JWT-04 that is Ed25519, and a token of it',
    [{ ...ed25519.publicKey.export({ format: 'jwk' }), kid: 'k1' }],
    edToken,
    'token-algorithm',
  ],
  [
    'JWT-04 whose PEM signs a token by HMAC',
    [jwk],
    hmac({ alg: 'HS256', kid: 'k1' }, claimsWith(), String(pem)),
    'token-algorithm',
  ],
])('with a key %s a token is refused', async (_what, keys, token, reason) => {
  expect(await verdict(token, await sourceWith(...keys))).toBe(reason)
})

test('WLA-13 keys that are no JWK Set are left out, and those of before stay', async () => {
  const clock = new FakeClock(now)
  const api = await startApi({ clock })
  await api.grant(granted)
  const errors: string[] = []
  const onError = ({ reason }: { reason: string }) => void errors.push(reason)
  const source = await JwtSource.open({ endpoint: api.endpoint, clock, onError })
  onTestFinished(() => source.close())
  for (const text of ['{}', '{"keys":{}}', 'not JSON', '', '{"keys":[],"keys":[]}']) {
    const bundles = { 'spiffe://example.org': Buffer.from(text) }
    api.send('FetchJWTBundles', { bundles })
  }
  const before = source.bundleOf(api.trustDomain.name)
  expect(before?.jwtAuthorities).toHaveLength(1)
  const updated = nextUpdate(source)
  api.push()
  await updated
  expect(errors).toEqual([
    'bundle-keys-missing',
    'bundle-keys-missing',
    'bundle-malformed',
    'bundle-malformed',
    'bundle-malformed',
  ])
})

import { createHmac, sign } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KeyKind } from '../../src/x509/key.ts'
import { encode, forge } from '../spec/jwt-svid/tokens.ts'
import { authority, svidMessage, workload } from './identities.ts'
import {
  audience,
  claimsOf,
  type JwtKey,
  jwtKey,
  me,
  pushKeys,
  tokenOf,
  validated,
} from './jwt-keys.ts'
import { startBoth } from './running-harness.ts'

// JV and ID of the public suite's catalogue: which tokens the library accepts. Before each refusal a token like it is accepted.

const own = 'spiffe://example.org'
let both: Awaited<ReturnType<typeof startBoth>>
let key: JwtKey
let rsa: JwtKey
let ed25519: JwtKey
let foreign: JwtKey
const byKind = new Map<KeyKind, JwtKey>()

beforeAll(async () => {
  both = await startBoth()
  const ca = await authority('ours')
  const svids = [svidMessage(me, await workload(ca, me), [ca])]
  both.api.set('FetchX509SVID', { say: { svids, federated_bundles: {} } })
  for (const kind of ['ec-p256', 'ec-p384', 'ec-p521', 'rsa-2048'] as const) {
    byKind.set(kind, await jwtKey(kind, kind))
  }
  key = byKind.get('ec-p256') as JwtKey
  rsa = byKind.get('rsa-2048') as JwtKey
  ed25519 = await jwtKey('ed25519', 'ed25519')
  foreign = await jwtKey('foreign')
  await both.harness.ready
  await pushKeys(both, {
    [own]: [...byKind.values(), ed25519].map(({ jwk }) => jwk),
    'spiffe://fed.example': [foreign.jwk],
  })
})

afterAll(() => both.stop())

async function accepts(token: string, spiffeId = me): Promise<void> {
  expect(await validated(both.harness, token)).toBe(spiffeId)
}

async function refusesOnly(token: string): Promise<void> {
  await accepts(tokenOf(key))
  expect(await validated(both.harness, token)).toBeUndefined()
}

const seconds = (later: number): number => Math.floor(Date.now() / 1000) + later

test('JV-1 a good token is accepted, with its subject and claims', async () => {
  const token = tokenOf(key, { team: 'web' })
  const { body } = await both.harness.ask('POST /v1/jwt/validate', { token, audience })
  expect(body).toMatchObject({ status: 'ok', spiffe_id: me, claims: { sub: me, team: 'web' } })
})

test.each<[string, KeyKind]>([
  ['RS256', 'rsa-2048'],
  ['RS384', 'rsa-2048'],
  ['RS512', 'rsa-2048'],
  ['ES256', 'ec-p256'],
  ['ES384', 'ec-p384'],
  ['ES512', 'ec-p521'],
  ['PS256', 'rsa-2048'],
  ['PS384', 'rsa-2048'],
  ['PS512', 'rsa-2048'],
])('JV-2 %s is accepted', async (algorithm, kind) => {
  await accepts(tokenOf(byKind.get(kind) as JwtKey, {}, {}, algorithm))
})

test('JV-3 no signature is no token', async () => {
  const signed = `${encode({ alg: 'none', kid: key.keyId })}.${encode(claimsOf())}`
  await refusesOnly(`${signed}.`)
  await refusesOnly(`${signed}.${tokenOf(key).split('.')[2]}`)
})

test.each(['HS256', 'HS384', 'HS512'])(
  'JV-4 %s is refused, also with the public key as the secret',
  async (alg) => {
    const secrets = [
      'secret',
      ...[key, rsa].map(({ publicKey }) => publicKey.export({ format: 'pem', type: 'spki' })),
      key.publicKey.export({ format: 'der', type: 'spki' }),
    ]
    for (const secret of secrets) {
      const signed = `${encode({ alg, kid: key.keyId })}.${encode(claimsOf())}`
      const mac = createHmac(`sha${alg.slice(2)}`, secret)
        .update(signed)
        .digest('base64url')
      await refusesOnly(`${signed}.${mac}`)
    }
  },
)

test('JV-5 EdDSA is refused, though the key is in the bundle', async () => {
  const signed = `${encode({ alg: 'EdDSA', kid: ed25519.keyId })}.${encode(claimsOf())}`
  const signature = sign(null, Buffer.from(signed), ed25519.privateKey).toString('base64url')
  await refusesOnly(`${signed}.${signature}`)
})

test('JV-6 an algorithm that is not for the key is refused', async () => {
  await refusesOnly(tokenOf(rsa, {}, { kid: key.keyId }, 'RS256'))
  await refusesOnly(forge({ alg: 'ES384', kid: key.keyId }, claimsOf(), key.privateKey, 'ES384'))
  await refusesOnly(forge({ alg: 'RS256', kid: key.keyId }, claimsOf(), key.privateKey, 'ES256'))
})

test.each<[string, Record<string, unknown>]>([
  ['JV-7 no audience', { aud: undefined }],
  ['JV-7 an empty audience', { aud: [] }],
  ['JV-8 another audience', { aud: ['other'] }],
  ['JV-8 the audience in capitals', { aud: ['CONFORMANCE'] }],
  ['JV-8 the audience and more', { aud: ['conformance/'] }],
  ['JV-11 no expiry', { exp: undefined }],
  ['JV-12 an expiry that is past', { exp: seconds(-300) }],
  ['JV-13 a start that is to come', { nbf: seconds(300) }],
  ['JV-18 a trust domain without a bundle', { sub: 'spiffe://unknown.example/x' }],
  ['JV-19 a subject that is no ID', { sub: 'me' }],
  ['JV-19 a subject of another scheme', { sub: 'https://example.org/me' }],
  ['JV-19 no subject', { sub: undefined }],
  ['JV-19 a subject without a path', { sub: own }],
])('%s: the token is refused', async (_, claims) => {
  await refusesOnly(tokenOf(key, claims))
})

test('JV-9 JV-10 the audience may be one of many, or a string', async () => {
  await accepts(tokenOf(key, { aud: ['other', audience] }))
  await accepts(tokenOf(key, { aud: audience }))
})

test('JV-14 JV-15 a changed signature, and a changed payload, are refused', async () => {
  const [header = '', payload = '', signature = ''] = tokenOf(key).split('.')
  const changed = Buffer.from(signature, 'base64url')
  changed[10] = (changed[10] ?? 0) ^ 1
  await refusesOnly(`${header}.${payload}.${changed.toString('base64url')}`)
  await refusesOnly(`${header}.${encode(claimsOf({ sub: `${own}/admin` }))}.${signature}`)
})

test('JV-16 a key that is not in the bundle signs nothing, under its own name or another', async () => {
  const unknown = await jwtKey('unknown')
  await refusesOnly(tokenOf(unknown))
  await refusesOnly(tokenOf(unknown, {}, { kid: key.keyId }))
  await refusesOnly(tokenOf(unknown, {}, { kid: undefined }))
})

test('JV-17 a trust domain signs for itself alone', async () => {
  await accepts(tokenOf(foreign, { sub: 'spiffe://fed.example/x' }), 'spiffe://fed.example/x')
  await refusesOnly(tokenOf(key, { sub: 'spiffe://fed.example/x' }))
  await refusesOnly(tokenOf(foreign))
})

test('JV-20 JV-21 the type is JWT, JOSE or none', async () => {
  for (const typ of ['JWT', 'JOSE', undefined]) await accepts(tokenOf(key, {}, { typ }))
  for (const typ of ['JWS', 'at+jwt', 'jwt', '', 1]) await refusesOnly(tokenOf(key, {}, { typ }))
})

test('JV-22 a token without a key id is accepted', async () => {
  await accepts(tokenOf(key, {}, { kid: undefined }))
  await accepts(tokenOf(rsa, {}, { kid: undefined }, 'RS256'))
})

test('JV-23 a header that must be understood, and is not, is a refusal', async () => {
  await refusesOnly(tokenOf(key, {}, { crit: ['x'], x: 1 }))
  await refusesOnly(tokenOf(key, {}, { crit: ['b64'], b64: false }))
})

test('JV-24 the JSON serialization is refused', async () => {
  const [header, payload, signature] = tokenOf(key).split('.')
  await refusesOnly(JSON.stringify({ protected: header, payload, signature }))
  await refusesOnly(JSON.stringify({ payload, signatures: [{ protected: header, signature }] }))
})

test('JV-25 what is no token is refused', async () => {
  const [header = '', payload = '', signature = ''] = tokenOf(key).split('.')
  for (const broken of [
    '',
    '..',
    'a.b.c',
    `${header}.${payload}`,
    `${header}.${payload}.${signature}.`,
    `${header}.${payload}.${signature}=`,
    `${header}.${payload}.${signature}!`,
    ` ${header}.${payload}.${signature}`,
    `${encode('{')}.${payload}.${signature}`,
    `${header}.${encode('[]')}.${signature}`,
  ]) {
    await refusesOnly(broken)
  }
})

test.each([
  'spiffe:///a',
  `${own}:8080/a`,
  'spiffe://u@example.org/a',
  `${own}/a?x=1`,
  `${own}/a#f`,
  `${own}/%41`,
  `${own}/a//b`,
  `${own}/a/./b`,
  `${own}/a/../b`,
  `${own}/a/`,
  `${own}/a!b`,
  'spiffe://exa$mple.org/a',
  'SPIFFE://example.org/a',
  'spiffe://Example.org/a',
  `${own}/${'a'.repeat(2048)}`,
])('%s is no SPIFFE ID', async (sub) => {
  await refusesOnly(tokenOf(key, { sub }))
})

test('IDs at the edge of what may be are accepted', async () => {
  const names = ['a_b-1.example', '192.0.2.1', '1', `${'a'.repeat(255)}`]
  const keys = Object.fromEntries(names.map((name) => [`spiffe://${name}`, [key.jwk]]))
  await pushKeys(both, { ...keys, [own]: [key.jwk], 'spiffe://fed.example': [foreign.jwk] })
  for (const name of names) {
    await accepts(tokenOf(key, { sub: `spiffe://${name}/a` }), `spiffe://${name}/a`)
  }
  const paths = ['/a.b-c_D/EfG', '/...', '/.a/..b', `/${'a'.repeat(2048 - own.length - 1)}`]
  for (const path of paths) await accepts(tokenOf(key, { sub: `${own}${path}` }), `${own}${path}`)
})

test('the library verifies by itself: it never asked the Workload API to', () => {
  expect(both.api.calls.filter(({ rpc }) => rpc === 'ValidateJWTSVID')).toEqual([])
})

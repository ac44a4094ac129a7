import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authority, svidMessage, workload } from './identities.ts'
import { type JwtKey, jwtKey, me, pushKeys, tokenOf, validated } from './jwt-keys.ts'
import { startBoth } from './running-harness.ts'

// JB and JF of the public suite's catalogue: which keys of a JWT bundle count, and how tokens are fetched.

const own = 'spiffe://example.org'
let both: Awaited<ReturnType<typeof startBoth>>
let one: JwtKey
let other: JwtKey

beforeAll(async () => {
  both = await startBoth()
  const ca = await authority('ours')
  const svids = [svidMessage(me, await workload(ca, me), [ca])]
  both.api.set('FetchX509SVID', { say: { svids, federated_bundles: {} } })
  one = await jwtKey('one')
  other = await jwtKey('other')
  await both.harness.ready
})

afterAll(() => both.stop())

const seen = (key: JwtKey, sub = me): Promise<string | undefined> =>
  validated(both.harness, tokenOf(key, { sub }))

test('JB-1 JB-2 a key counts from the update that brings it to the one that does not', async () => {
  await pushKeys(both, { [own]: [one.jwk] })
  expect([await seen(one), await seen(other)]).toEqual([me, undefined])
  await pushKeys(both, { [own]: [one.jwk, other.jwk] })
  expect([await seen(one), await seen(other)]).toEqual([me, me])
  await pushKeys(both, { [own]: [other.jwk] })
  expect([await seen(one), await seen(other)]).toEqual([undefined, me])
})

test('JB-3 JB-8 a federated trust domain counts by its own keys, and no more once it is left out', async () => {
  const partner = 'spiffe://fed.example/x'
  await pushKeys(both, { [own]: [one.jwk], 'spiffe://fed.example': [other.jwk] })
  expect([await seen(other, partner), await seen(one, partner)]).toEqual([partner, undefined])
  await pushKeys(both, { [own]: [one.jwk] })
  expect([await seen(one), await seen(other, partner)]).toEqual([me, undefined])
})

test('JB-4 of several keys the one counts that the token names', async () => {
  const third = await jwtKey('third')
  await pushKeys(both, { [own]: [one.jwk, other.jwk, third.jwk] })
  expect(await seen(other)).toBe(me)
  expect(await validated(both.harness, tokenOf(other, {}, { kid: 'third' }))).toBeUndefined()
})

test.each([
  ['x509-svid', { use: 'x509-svid' }],
  ['another', { use: 'sig' }],
])('JB-5 a key whose use is %s verifies no token, and the others do', async (_, members) => {
  const bad = await jwtKey('bad', 'ec-p256', members)
  await pushKeys(both, { [own]: [bad.jwk, one.jwk] })
  expect([await seen(one), await seen(bad)]).toEqual([me, undefined])
  expect(await validated(both.harness, tokenOf(bad, {}, { kid: undefined }))).toBeUndefined()
})

test('a key without a use counts: the Workload API hands out plain JWK sets (§6.2.2)', async () => {
  const plain = await jwtKey('plain', 'ec-p256', { use: undefined })
  await pushKeys(both, { [own]: [plain.jwk] })
  expect(await seen(plain)).toBe(me)
})

test.each([
  ['an unknown type', { kty: 'AKP', pub: 'AA' }],
  ['no type', { kty: undefined }],
  ['an unknown curve', { crv: 'P-1' }],
  ['a broken coordinate', { x: '!' }],
])('JB-6 a key with %s takes nothing from the others', async (_, members) => {
  const bad = await jwtKey('bad', 'ec-p256', members)
  await pushKeys(both, { [own]: [bad.jwk, one.jwk] })
  expect([await seen(one), await seen(bad)]).toEqual([me, undefined])
})

test('JB-7 a bundle without keys trusts nothing', async () => {
  await pushKeys(both, { [own]: [one.jwk] })
  expect(await seen(one)).toBe(me)
  await pushKeys(both, { [own]: [] })
  expect(await seen(one)).toBeUndefined()
})

test('WA-2 an update of JWT bundles that cannot be read is left out', async () => {
  await pushKeys(both, { [own]: [one.jwk] })
  both.api.set('FetchJWTBundles', { say: { bundles: { [own]: Buffer.from('{') } } })
  expect(await seen(one)).toBe(me)
  await pushKeys(both, { [own]: [one.jwk, other.jwk] })
  expect([await seen(one), await seen(other)]).toEqual([me, me])
})

test('WA-1 the stream of JWT bundles is taken up again', async () => {
  await pushKeys(both, { [own]: [one.jwk] })
  const calls = both.api.callsOf('FetchJWTBundles').length
  both.api.hangUp('FetchJWTBundles', status.UNAVAILABLE)
  expect(await seen(one)).toBe(me)
  await pushKeys(both, { [own]: [other.jwk] })
  expect([await seen(one), await seen(other)]).toEqual([undefined, me])
  expect(both.api.callsOf('FetchJWTBundles')).toHaveLength(calls + 1)
})

const fetchToken = (audience: readonly string[], spiffeId = '') =>
  both.harness.ask('POST /v1/jwt/fetch', { audience, spiffe_id: spiffeId })

test('JF-1 JF-2 JF-3 audiences and ID are asked for as they are, and the answer is the token that came', async () => {
  const token = tokenOf(one)
  both.api.set('FetchJWTSVID', { say: { svids: [{ spiffe_id: me, svid: token, hint: 'h' }] } })
  const { code, body } = await fetchToken(['conformance'])
  expect(code).toBe(200)
  expect(body['svids']).toEqual([{ spiffe_id: me, token, hint: 'h' }])
  await fetchToken(['b', 'a', 'https://c'], me)
  expect(both.api.callsOf('FetchJWTSVID').map(({ request }) => request)).toEqual([
    { audience: ['conformance'], spiffe_id: '' },
    { audience: ['b', 'a', 'https://c'], spiffe_id: me },
  ])
})

test('JF-4 PERMISSION_DENIED is an error, and no token from before is given instead', async () => {
  both.api.set('FetchJWTSVID', { say: { svids: [{ spiffe_id: me, svid: tokenOf(one) }] } })
  expect((await fetchToken(['conformance'])).code).toBe(200)
  both.api.set('FetchJWTSVID', { end: status.PERMISSION_DENIED })
  const { code, body } = await fetchToken(['conformance'])
  expect(code).not.toBe(200)
  expect(body['svids']).toBeUndefined()
})

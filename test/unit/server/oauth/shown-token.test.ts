import type { KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { createTokenReader } from '../../../../server/oauth/shown-token.ts'
import type { AuthorityRecord } from '../../../../server/store/records.ts'
import { signCompact } from '../../../../src/jwt/sign.ts'
import { RevocationState } from '../../../../src/revocation/state.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { generateKeyPair, softwareSigner, spkiOf } from '../../../../src/x509/key.ts'
import { hmac } from '../../../spec/jwt-svid/tokens.ts'
import { issuer, orders } from '../../../support/oauth.ts'
import { reasonOf } from '../../../support/reason-of.ts'
import { idOf } from '../entry/samples.ts'

test('a token by a key that another server has activated a moment ago is known, and by any other key not', async () => {
  const clock = new FakeClock()
  const keys = await Promise.all(
    ['active', 'prepared', 'old', 'nobody'].map(async (id) => {
      const { publicKey, privateKey } = await generateKeyPair('ec-p256')
      return { id, publicKey: spkiOf(publicKey), signer: softwareSigner(privateKey) }
    }),
  )
  const [active, prepared, old] = keys as unknown as AuthorityRecord[]
  const state = () => ({ active, prepared, old: [old].flatMap((one) => one ?? []) })
  const reader = createTokenReader({
    ...{ issuer, clock, revocations: new RevocationState(), ca: { state } as never },
  })
  const iat = clock.now().getTime() / 1000
  const claims = {
    ...{ iss: issuer, sub: idOf('/web'), client_id: idOf('/web'), aud: orders },
    ...{ jti: 'a', txn: 't', scope: 'orders:read', iat, exp: iat + 60 },
  }
  const read = async ({ id, signer }: (typeof keys)[number]): Promise<string> =>
    reader.read(await signCompact(signer, id, claims, 'at+jwt')).then(
      () => id,
      ({ reason }: { readonly reason: string }) => reason,
    )
  expect(await Promise.all(keys.map(read))).toEqual(['active', 'prepared', 'old', 'token-key'])
})

test('T26 what was verified once is believed no longer than its key is published', async () => {
  const clock = new FakeClock()
  const { publicKey, privateKey } = await generateKeyPair('ec-p256')
  const active = { id: 'own', publicKey: spkiOf(publicKey) }
  let published: object = { active, old: [] }
  const ca = { state: () => published } as never
  const reader = createTokenReader({ issuer, clock, revocations: new RevocationState(), ca })
  const iat = clock.now().getTime() / 1000
  const claims = {
    ...{ iss: issuer, sub: idOf('/web'), client_id: idOf('/web'), aud: orders },
    ...{ jti: 'a', txn: 't', scope: 'orders:read', iat, exp: iat + 60 },
  }
  const token = await signCompact(softwareSigner(privateKey), 'own', claims, 'at+jwt')
  expect(await reasonOf(reader.read(token))).toBe('accepted')
  published = { active: { ...active, id: 'next' }, old: [active] }
  expect(await reasonOf(reader.read(token))).toBe('accepted')
  published = { active: { ...active, id: 'next' }, old: [] }
  expect(await reasonOf(reader.read(token))).toBe('token-key')
})

test('T26 what a key has signed is over with that key, though it is published still', async () => {
  const clock = new FakeClock()
  const { publicKey, privateKey } = await generateKeyPair('ec-p256')
  const active = { id: 'own', publicKey: spkiOf(publicKey) }
  const revocations = new RevocationState()
  const reader = createTokenReader({
    ...{ issuer, clock, revocations, ca: { state: () => ({ active, old: [] }) } as never },
  })
  const iat = clock.now().getTime() / 1000
  const claims = {
    ...{ iss: issuer, sub: idOf('/web'), client_id: idOf('/web'), aud: orders },
    ...{ jti: 'a', txn: 't', scope: 'orders:read', iat: iat + 30, exp: iat + 60 },
  }
  const token = await signCompact(softwareSigner(privateKey), 'own', claims, 'at+jwt')
  expect(await reasonOf(reader.read(token))).toBe('accepted')
  revocations.apply({ kind: 'key', id: 'own', notBefore: iat + 3600, endsAt: iat + 3600 })
  expect(await reasonOf(reader.read(token))).toBe('token-revoked')
})

describe('T30 what is shown as an access token at introspection, revocation or exchange is none', () => {
  const clock = new FakeClock()
  const now = clock.now().getTime() / 1000
  let own: { readonly privateKey: KeyObject; readonly publicKey: KeyObject }
  let stranger: typeof own

  beforeAll(async () => {
    own = await generateKeyPair('ec-p256')
    stranger = await generateKeyPair('ec-p256')
  })

  const good = {
    ...{ iss: issuer, sub: idOf('/web'), client_id: idOf('/web'), aud: orders, jti: 'a' },
    ...{ txn: 't', scope: 'orders:read', iat: now, nbf: now, exp: now + 60 },
  }
  const sign = (claims: object = {}, header: object = {}, key = own.privateKey): Promise<string> =>
    new SignJWT({ ...good, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'own', typ: 'at+jwt', ...header })
      .sign(key)
  const encoded = (value: object): string =>
    Buffer.from(JSON.stringify(value)).toString('base64url')
  const read = (token: string): Promise<string> =>
    createTokenReader({
      ...{ issuer, clock, revocations: new RevocationState() },
      ca: {
        state: () => ({
          active: { id: 'own', publicKey: spkiOf(own.publicKey) },
          old: [{ id: 'other', publicKey: spkiOf(stranger.publicKey) }],
        }),
      } as never,
    })
      .read(token)
      .then(
        () => 'accepted',
        ({ reason }: { readonly reason: string }) => reason,
      )

  const forged: readonly (readonly [string, string, () => string | Promise<string>])[] = [
    [
      'without an algorithm',
      'token-algorithm',
      async () =>
        `${encoded({ alg: 'none', kid: 'own', typ: 'at+jwt' })}.${(await sign()).split('.')[1]}.`,
    ],
    [
      'with the public key as the secret of an HMAC',
      'token-algorithm',
      () => hmac({ alg: 'HS256', kid: 'own', typ: 'at+jwt' }, good, spkiOf(own.publicKey)),
    ],
    ['of a JWT-SVID’s type', 'token-type', () => sign({}, { typ: 'JWT' })],
    ['of a WIT-SVID’s type', 'token-type', () => sign({}, { typ: 'wit+jwt' })],
    ['without a type', 'token-type', () => sign({}, { typ: undefined })],
    ['under a key id that nobody has', 'token-key', () => sign({}, { kid: 'nobody' })],
    ['under the id of another key', 'token-signature', () => sign({}, { kid: 'other' })],
    ['by a key of others', 'token-signature', () => sign({}, {}, stranger.privateKey)],
    [
      'with its key',
      'token-header',
      () => sign({}, { jwk: own.publicKey.export({ format: 'jwk' }) }),
    ],
    ['without end', 'token-too-large', () => sign({ filler: 'x'.repeat(8000) })],
    ['of another issuer', 'token-issuer', () => sign({ iss: `${issuer}/` })],
    ['for two audiences', 'token-claims', () => sign({ aud: [orders, 'https://b.example'] })],
    ['for nobody', 'token-claims', () => sign({ aud: undefined })],
    ['of no SPIFFE ID', 'token-claims', () => sign({ sub: 'web' })],
    [
      'of an ID with capitals',
      'token-claims',
      () => sign({ client_id: 'spiffe://Example.org/web' }),
    ],
    ['without an end', 'token-claims', () => sign({ exp: undefined })],
    ['that has expired', 'token-expired', () => sign({ exp: now })],
    ['of later', 'token-not-yet-valid', () => sign({ nbf: now + 1 })],
    ['with an actor that is none', 'token-claims', () => sign({ act: { act: { sub: 'a' } } })],
    ['bound to something unknown', 'token-claims', () => sign({ cnf: { jkt: 'x' } })],
    [
      'bound to something unknown beside a certificate',
      'token-claims',
      () => sign({ cnf: { 'x5t#S256': 'x', jkt: 'x' } }),
    ],
  ]

  test.for(forged)('%s (%s)', async ([, reason, token]) => {
    expect(await read(await sign())).toBe('accepted')
    expect(await read(await token())).toBe(reason)
  })
})

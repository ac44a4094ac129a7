import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import { keySetDocument } from '../../../../server/documents/key-set.ts'
import { createIntrospectionDoor } from '../../../../server/oauth/introspection.ts'
import { tokenExchangeGrant, tokenTypes } from '../../../../server/oauth/token-types.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { issuer, orders, resourceOf } from '../../../support/oauth.ts'
import { idOf } from '../entry/samples.ts'
import { send, startWorld, web, wish } from './oauth-world.ts'

const orderServer = idOf('/orders')
const stockServer = idOf('/stock')
const stock = 'https://stock.example.org'
const resources = new Map(
  [
    resourceOf(orders, { servedBy: new Set([orderServer]) }),
    resourceOf(stock, { servedBy: new Set([stockServer]) }),
  ].map((resource) => [resource.id, resource]),
)

async function start(closing: AsyncDisposableStack) {
  const world = await startWorld(closing, { settings: { issuer, resources } })
  const door = createIntrospectionDoor({ ...world.deps, ca: world.ca })
  const introspect = async (caller: typeof web, token: string, accept?: string) =>
    send(door, await world.asserting(caller), { token }, accept)
  const mine = await world.asserting(web)
  const { access_token: token = '' } = await send(world.server, mine, wish)
  return { ...world, door, introspect, token }
}

const no = '{"active":false}'

test('RFC 7662 §2.2 whoever holds a token, and whoever serves its resource, learn what it is', async () => {
  await using closing = new AsyncDisposableStack()
  const { introspect, token } = await start(closing)
  for (const caller of [web, orderServer]) {
    const { status, headers, text } = await introspect(caller, token)
    expect(status).toBe(200)
    expect(headers['cache-control']).toBe('no-store')
    expect(JSON.parse(text)).toEqual({ ...decodeJwt(token), active: true, token_type: 'Bearer' })
  }
})

test('RFC 7662 §2.2 a token that is bound says to which certificate', async () => {
  await using closing = new AsyncDisposableStack()
  const { introspect, server, certified } = await start(closing)
  const { access_token: token = '' } = await send(server, await certified(web), wish)
  const { cnf } = decodeJwt<{ cnf: object }>(token)
  expect(cnf).toEqual({ 'x5t#S256': expect.any(String) })
  expect(await introspect(orderServer, token)).toMatchObject({ active: true, cnf })
})

test('RFC 7662 §2.2 a stranger, and who shows what is no good token, learn nothing at all', async () => {
  await using closing = new AsyncDisposableStack()
  const world = await start(closing)
  const { introspect, token, clock } = world
  for (const who of [idOf('/stranger'), stockServer]) {
    expect((await introspect(who, token)).text).toBe(no)
  }
  const svid = await world.asserting(web)
  const broken = [
    token.slice(0, -4),
    `${token.slice(0, -4)}AAAA`,
    'x',
    'assertion' in svid ? svid.assertion : '',
    'x'.repeat(9000),
  ]
  for (const one of broken) {
    const { status, text } = await introspect(web, one)
    expect([status, text]).toEqual([200, no])
  }
  // The first answer was remembered; that it is over is not.
  expect((await introspect(web, token))['active']).toBe(true)
  await clock.advance(300_000)
  expect((await introspect(web, token)).text).toBe(no)
})

test('RFC 7662 §4 whom a token that was passed on speaks for learns nothing of it', async () => {
  await using closing = new AsyncDisposableStack()
  const { introspect, token, server, asserting } = await start(closing)
  const { access_token: next = '' } = await send(server, await asserting(orderServer), {
    ...{ grant_type: tokenExchangeGrant, resource: stock, scope: 'orders:read' },
    ...{ subject_token: token, subject_token_type: tokenTypes.accessToken },
  })
  expect(decodeJwt(next).sub).toBe(web)
  for (const who of [orderServer, stockServer]) {
    expect((await introspect(who, next))['active']).toBe(true)
  }
  expect((await introspect(web, next)).text).toBe(no)
})

test('where the server cannot say whether a token is good it does not say that it is not', async () => {
  await using closing = new AsyncDisposableStack()
  const { deps, ca, asserting, token } = await start(closing)
  const away = new CountersignError('unavailable', 'not now', { reason: 'changes-behind' })
  const door = createIntrospectionDoor({
    ...{ ...deps, ca },
    tokens: { read: () => Promise.reject(away) },
  })
  expect(await send(door, await asserting(web), { token })).toMatchObject({
    ...{ status: 503, error: 'temporarily_unavailable' },
  })
})

test('a token whose key was revoked is not active from that moment on', async () => {
  await using closing = new AsyncDisposableStack()
  const { introspect, token, ca, caughtUp } = await start(closing)
  expect((await introspect(web, token))['active']).toBe(true)
  const act = { actor: { kind: 'server' } } as const
  const { id: next } = await ca.prepare('oauth', act)
  const before = ca.state('oauth').active?.id ?? ''
  await ca.activate('oauth', next, act)
  expect((await introspect(web, token))['active']).toBe(true)
  await ca.taint('oauth', before, act)
  await ca.revoke('oauth', before, act)
  await caughtUp()
  expect((await introspect(web, token)).text).toBe(no)
})

test('RFC 7662 §2.2 a token that was revoked, or what it was issued for, is not active', async () => {
  await using closing = new AsyncDisposableStack()
  for (const kind of ['token', 'transaction', 'entry', 'spiffe-id', 'audience'] as const) {
    const { introspect, token, revocations } = await start(closing)
    const { jti = '', txn, entry_id, sub = '', iat = 0 } = decodeJwt<Record<string, string>>(token)
    const ids = {
      token: jti,
      transaction: txn,
      entry: entry_id,
      'spiffe-id': sub,
      audience: orders,
    }
    expect((await introspect(orderServer, token))['active']).toBe(true)
    revocations.apply({ kind, id: ids[kind] ?? '', notBefore: Number(iat), endsAt: 1e10 })
    expect([kind, (await introspect(orderServer, token)).text]).toEqual([kind, no])
  }
})

test('RFC 7662 §2.1 who does not prove itself, or names no token, is refused and on record', async () => {
  await using closing = new AsyncDisposableStack()
  const { door, asserting, token, records } = await start(closing)
  expect(await send(door, { assertion: 'x' }, { token })).toMatchObject({
    status: 401,
    error: 'invalid_client',
  })
  expect(records().at(-1)).toMatchObject({ kind: 'token.denied', details: { door: 'introspect' } })
  const proof = await asserting(web)
  expect(await send(door, proof, {})).toMatchObject({ status: 400, error: 'invalid_request' })
  expect(records().at(-1)).toMatchObject({ reason: 'request-token-missing' })
  expect(await send(door, proof, { token: [token, token] })).toMatchObject({
    status: 400,
    error: 'invalid_request',
  })
})

test('RFC 9701 §5 asked for a signed answer it gives one, for the caller alone, that is no token', async () => {
  await using closing = new AsyncDisposableStack()
  const { introspect, token, ca, clock } = await start(closing)
  const iat = Math.floor(clock.now().getTime() / 1000)
  const type = 'application/token-introspection+jwt'
  const { id, publicKey } = ca.state('oauth').active ?? expect.fail()
  const keys = createLocalJWKSet(JSON.parse(keySetDocument([{ keyId: id, publicKey }])))
  const options = { issuer, typ: 'token-introspection+jwt', algorithms: ['ES256'] }
  for (const [caller, token_introspection] of [
    [orderServer, { ...decodeJwt(token), active: true, token_type: 'Bearer' }],
    [idOf('/stranger'), { active: false }],
  ] as const) {
    const answer = await introspect(caller, token, `application/json;q=0.5, ${type}`)
    expect(answer.headers['content-type']).toBe(type)
    const { payload } = await jwtVerify(answer.text, keys, { ...options, audience: caller })
    expect(payload).toEqual({
      ...{ iss: issuer, aud: caller, iat, token_introspection },
    })
    expect((await introspect(caller, answer.text)).text).toBe(no)
  }
})

test('RFC 9110 §12.4.2 whoever says that it takes no signed answer gets none', async () => {
  await using closing = new AsyncDisposableStack()
  const { introspect, token } = await start(closing)
  const type = 'application/token-introspection+jwt'
  for (const [weight, given] of [
    [';q=0', 'application/json'],
    ['; Q=0.000', 'application/json'],
    [';v=1 ; q=0.0', 'application/json'],
    [';q=0.001', type],
    [';q=1', type],
  ] as const) {
    const { headers } = await introspect(web, token, `application/json, ${type}${weight}`)
    expect([weight, headers['content-type']]).toEqual([weight, given])
  }
})

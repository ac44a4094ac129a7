import { expect, test } from 'vitest'
import { createIntrospectionDoor } from '../../../../server/oauth/introspection.ts'
import { type UseOnce, usesIn, useUpAssertion } from '../../../../server/oauth/single-use.ts'
import type { Client } from '../../../../server/oauth/spiffe-client-auth.ts'
import { createTokenDoor } from '../../../../server/oauth/token-door.ts'
import type { SingleUse } from '../../../../server/store/used-tokens.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { entryOf } from '../entry/samples.ts'
import { tempDatabase, tempStore } from '../store/fixture.ts'
import { type OauthWorld, send, startWorld, web, wish } from './oauth-world.ts'

async function start(closing: AsyncDisposableStack): Promise<OauthWorld> {
  const entries = [
    entryOf({ id: 'a', spiffeId: web }),
    entryOf({ id: 'b', spiffeId: web, jwtSvidIncludeJti: true, jwtSvidSingleUse: true }),
  ]
  return startWorld(closing, { entriesOf: () => entries })
}

test('T30 an assertion that is good once buys one token, however many ask with it at the same time', async () => {
  await using closing = new AsyncDisposableStack()
  const { server, asserting, records } = await start(closing)
  const proof = await asserting(web, 300, 'once')
  const answers = await Promise.all(Array.from({ length: 8 }, () => send(server, proof, wish)))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(401)])
  expect(records().filter(({ reason }) => reason === 'client-assertion-replayed')).toHaveLength(7)
  expect((await send(server, await asserting(web, 300, 'another'), wish)).status).toBe(200)
})

test('T30 of two servers over one database one takes it, in each of twenty rounds', async () => {
  await using closing = new AsyncDisposableStack()
  const { deps, asserting, clock } = await start(closing)
  const { connect } = await tempDatabase()
  const servers = await Promise.all(
    ['one', 'other'].map(async () => {
      const store = await tempStore({ connect })
      return createTokenDoor({ ...deps, useOnce: usesIn(store, clock) })
    }),
  )
  for (let round = 0; round < 20; round += 1) {
    const proof = await asserting(web, 300, `round-${round}`)
    const answers = await Promise.all(
      [...servers, ...servers].map((server) => send(server, proof, wish)),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401])
  }
})

test('T30 what was used stays so though the wall clock is an hour ahead for a while', async () => {
  await using closing = new AsyncDisposableStack()
  const { server, asserting, records, clock } = await start(closing)
  const proof = await asserting(web, 300, 'once')
  expect((await send(server, proof, wish)).status).toBe(200)
  clock.jump(3_600_000)
  await send(server, await asserting(web, 300, 'meanwhile'), wish)
  clock.jump(-3_600_000)
  expect((await send(server, proof, wish)).status).toBe(401)
  expect(records().at(-1)).toMatchObject({ reason: 'client-assertion-replayed' })
})

test('it is used up at whichever door, also where what was asked for is refused, until nobody would take it', async () => {
  await using closing = new AsyncDisposableStack()
  const { server, asserting, records, deps, ca, clock } = await start(closing)
  const introspect = createIntrospectionDoor({ ...deps, ca })
  const proof = await asserting(web, 300, 'a')
  expect((await send(introspect, proof, { token: 'x' })).text).toBe('{"active":false}')
  expect((await send(server, proof, wish)).error).toBe('invalid_client')
  const refused = await asserting(web, 300, 'b')
  expect((await send(server, refused, { ...wish, scope: 'x' })).error).toBe('invalid_scope')
  expect((await send(server, refused, wish)).error).toBe('invalid_client')
  // It is expired, and believed for another minute.
  await clock.advance(330_000)
  expect((await send(introspect, proof, { token: 'x' })).status).toBe(401)
  expect(records().at(-1)).toMatchObject({ reason: 'client-assertion-replayed' })
})

test('one without a jti, as text, proves nothing; a certificate has no need of one', async () => {
  await using closing = new AsyncDisposableStack()
  const { server, asserting, certified, records } = await start(closing)
  for (const jti of [undefined, '', 7 as unknown as string]) {
    expect((await send(server, await asserting(web, 300, jti), wish)).error).toBe('invalid_client')
    expect(records().at(-1)).toMatchObject({ reason: 'client-assertion-jti' })
  }
  const chain = await certified(web)
  for (let i = 0; i < 2; i += 1) expect((await send(server, chain, wish)).status).toBe(200)
})

test('a jti is that of its trust domain, and remembered as long as anybody would take the assertion', async () => {
  const uses: SingleUse[] = []
  const useOnce: UseOnce = async (use) => {
    uses.push(use)
    return { giveBack: async () => {} }
  }
  const expiresAt = new Date('2026-03-04T05:06:07Z')
  for (const spiffeId of [web, SpiffeId.parse('spiffe://partner.example/web')]) {
    const client = { spiffeId, method: 'spiffe_jwt', issuedAt: undefined, expiresAt, jti: 'a' }
    await useUpAssertion(client as Client, [{ jwtSvidSingleUse: true }], useOnce)
  }
  // JWT-SVIDs are taken for a minute beyond their end.
  const forgotten = new Date('2026-03-04T05:07:07Z')
  expect(uses).toEqual([
    { issuer: 'spiffe://example.org', jti: 'a', expiresAt: forgotten },
    { issuer: 'spiffe://partner.example', jti: 'a', expiresAt: forgotten },
  ])
})

test('where no entry says so, an assertion is good until it expires, with a jti or without', async () => {
  await using closing = new AsyncDisposableStack()
  const { server, asserting } = await startWorld(closing)
  for (const proof of [await asserting(web), await asserting(web, 300, 'a')]) {
    for (let i = 0; i < 2; i += 1) expect((await send(server, proof, wish)).status).toBe(200)
  }
})

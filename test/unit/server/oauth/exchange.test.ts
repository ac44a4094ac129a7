import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose'
import { expect, test } from 'vitest'
import type { Resource } from '../../../../server/oauth/resource-settings.ts'
import type { TokenDoorDeps } from '../../../../server/oauth/token-door.ts'
import { tokenExchangeGrant, tokenTypes } from '../../../../server/oauth/token-types.ts'
import type { IssuedToken } from '../../../../server/store/issued-tokens.ts'
import type { PolicyQuestion } from '../../../../src/policy/question.ts'
import type { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { issuer, resourceOf } from '../../../support/oauth.ts'
import { idOf } from '../entry/samples.ts'
import {
  type Answer,
  type OauthWorld,
  type Proof,
  permitted,
  refused,
  send,
  startWorld,
  web,
} from './oauth-world.ts'

interface Claims extends JWTPayload {
  readonly txn: string
  readonly client_id: string
  readonly act?: object
}

/** A chain of services: `s1` serves `https://r1.example`, and so on. All have the scopes `read` and `write`. */
const serverOf = (n: number): SpiffeId => idOf(`/s${n}`)
const resourceIdOf = (n: number): string => `https://r${n}.example`

async function start(
  closing: AsyncDisposableStack,
  more: Partial<TokenDoorDeps> & { readonly changed?: Partial<Resource> } = {},
) {
  const { changed, ...deps } = more
  const resources = new Map(
    Array.from({ length: 12 }, (_, n) => [
      resourceIdOf(n),
      resourceOf(resourceIdOf(n), {
        scopes: ['read', 'write', `own${n}`],
        servedBy: new Set([serverOf(n)]),
        ...(n === 2 && changed),
      }),
    ]),
  )
  const world = await startWorld(closing, { settings: { issuer, resources }, ...deps })
  return { ...world, ...asking(world) }
}

function asking(world: OauthWorld) {
  const first = async (proof?: Proof, scope = 'read write', n = 1): Promise<string> => {
    const values = { grant_type: 'client_credentials', resource: resourceIdOf(n), scope }
    const answer = await send(world.server, proof ?? (await world.asserting(web)), values)
    return answer.access_token ?? expect.fail(JSON.stringify(answer))
  }
  const exchange = async (
    who: SpiffeId | Proof,
    token: string,
    values: Readonly<Record<string, string | readonly string[]>>,
  ): Promise<Answer> =>
    send(world.server, typeof who === 'string' ? await world.asserting(who) : who, {
      ...{ grant_type: tokenExchangeGrant, scope: 'read' },
      ...{ subject_token: token, subject_token_type: tokenTypes.accessToken },
      ...values,
    })
  /** Lets the services 1 to `hops` hand the token on, each to the next. */
  const chain = async (hops: number): Promise<string> => {
    let token = await first()
    for (let n = 1; n <= hops; n += 1) {
      const answer = await exchange(serverOf(n), token, { resource: resourceIdOf(n + 1) })
      token = answer.access_token ?? expect.fail(JSON.stringify(answer))
    }
    return token
  }
  const lastReason = (): unknown => world.records().at(-1)?.['reason']
  return { first, exchange, chain, lastReason }
}

test('RFC 8693 §4.1 each hop is named, the current one outermost, and all have one transaction', async () => {
  await using closing = new AsyncDisposableStack()
  const noted: IssuedToken[] = []
  const issued = { ready() {}, note: (token: IssuedToken) => void noted.push(token) }
  const { first, exchange, records } = await start(closing, { issued })
  const root = await first()
  const one = await exchange(serverOf(1), root, { resource: resourceIdOf(2) })
  expect(one).toMatchObject({
    ...{ status: 200, issued_token_type: tokenTypes.accessToken, token_type: 'Bearer' },
    ...{ expires_in: 300, scope: 'read' },
  })
  const two = await exchange(serverOf(2), one.access_token ?? '', { audience: resourceIdOf(3) })
  const claims = [root, one.access_token ?? '', two.access_token ?? ''].map((token) =>
    decodeJwt<Claims>(token),
  )
  const { kid: keyId } = decodeProtectedHeader(root)
  expect(keyId).toMatch(/./)
  expect(claims[0]).not.toHaveProperty('act')
  expect(claims[1]).toMatchObject({
    ...{ sub: web, client_id: serverOf(1), aud: resourceIdOf(2), entry_id: 's1' },
    act: { sub: serverOf(1) },
  })
  expect(claims[2]).toMatchObject({ sub: web, client_id: serverOf(2), aud: resourceIdOf(3) })
  expect(claims[2]?.act).toEqual({ sub: serverOf(2), act: { sub: serverOf(1) } })
  expect(new Set(claims.map(({ txn }) => txn)).size).toBe(1)
  expect(new Set(claims.map(({ jti }) => jti)).size).toBe(3)
  expect(records().at(-1)).toMatchObject({
    ...{
      kind: 'token.exchanged',
      spiffeId: web,
      parentJti: claims[1]?.jti,
      grant: tokenExchangeGrant,
    },
    ...{ actors: [serverOf(2), serverOf(1)], transaction: claims[0]?.txn },
    ...{
      actor: { id: serverOf(2) },
      details: { fromAudience: resourceIdOf(2), fromDepth: 1, fromKeyId: keyId },
    },
  })
  expect(noted.map(({ parent }) => parent)).toEqual([undefined, claims[0]?.jti, claims[1]?.jti])
  expect(noted.map(({ from }) => from)).toEqual([
    undefined,
    { audience: resourceIdOf(1), depth: 0, keyId },
    { audience: resourceIdOf(2), depth: 1, keyId },
  ])
  expect(noted[2]).toMatchObject({ subject: web, actors: [serverOf(2), serverOf(1)] })
})

test('eight actors are the most that a token names', async () => {
  await using closing = new AsyncDisposableStack()
  const { chain, exchange, lastReason } = await start(closing)
  const token = await chain(8)
  const answer = await exchange(serverOf(9), token, { resource: resourceIdOf(10) })
  expect([answer.error, lastReason()]).toEqual(['invalid_request', 'subject-depth'])
})

test('a stolen token is worth nothing to a stranger, and a service gets none for others’ tokens', async () => {
  await using closing = new AsyncDisposableStack()
  const { first, exchange, lastReason, records } = await start(closing)
  const token = await first()
  const { jti, txn, sub } = decodeJwt(token)
  for (const [who, resource] of [
    [idOf('/thief'), resourceIdOf(1)],
    [idOf('/thief'), resourceIdOf(2)],
    [serverOf(2), resourceIdOf(3)],
  ] as const) {
    const answer = await exchange(who, token, { resource })
    expect([answer.status, answer.error]).toEqual([400, 'invalid_request'])
    expect(answer).not.toHaveProperty('access_token')
    expect(lastReason()).toBe('subject-not-yours')
    // Who had whose token is on record: somebody has stolen it.
    expect(records().at(-1)).toMatchObject({
      ...{ kind: 'token.denied', actor: { id: who } },
      ...{ spiffeId: sub, transaction: txn, parentJti: jti },
    })
  }
})

test('a copy of one’s own token is narrower, names no actor, and is of the same transaction', async () => {
  await using closing = new AsyncDisposableStack()
  const { first, exchange, chain } = await start(closing)
  const token = await first()
  const answer = await exchange(web, token, { resource: resourceIdOf(1) })
  const [before, after] = [token, answer.access_token ?? ''].map((one) => decodeJwt<Claims>(one))
  const { jti, iat, exp, scope, ...same } = before ?? expect.fail()
  expect(after).toMatchObject(same)
  expect(after).toMatchObject({ scope: 'read' })
  expect(after).not.toHaveProperty('act')
  expect(after?.jti).not.toBe(jti)
  // Of one that was exchanged too, which keeps the actors that it names.
  const second = await chain(2)
  const copy = await exchange(serverOf(2), second, { resource: resourceIdOf(3) })
  expect(decodeJwt<Claims>(copy.access_token ?? '').act).toEqual(decodeJwt<Claims>(second).act)
})

test('nothing gets wider: no scope, no other resource of a holder, not two resources', async () => {
  await using closing = new AsyncDisposableStack()
  const { first, exchange, lastReason } = await start(closing)
  const token = await first(undefined, 'read')
  for (const [who, values, error, reason] of [
    [web, { resource: resourceIdOf(1), scope: 'read write' }, 'invalid_scope', 'scope-wider'],
    [serverOf(1), { resource: resourceIdOf(2), scope: 'write' }, 'invalid_scope', 'scope-wider'],
    [serverOf(1), { resource: resourceIdOf(2), scope: 'own2' }, 'invalid_scope', 'scope-wider'],
    [serverOf(1), { resource: resourceIdOf(2), scope: 'own1' }, 'invalid_scope', 'scope-unknown'],
    [web, { resource: resourceIdOf(2) }, 'invalid_target', 'target-wider'],
    [
      serverOf(1),
      { resource: [resourceIdOf(2), resourceIdOf(3)] },
      'invalid_target',
      'target-several',
    ],
    [
      serverOf(1),
      { audience: [resourceIdOf(2), resourceIdOf(3)] },
      'invalid_target',
      'target-several',
    ],
    [
      serverOf(1),
      { resource: resourceIdOf(2), audience: resourceIdOf(3) },
      'invalid_target',
      'target-several',
    ],
    [serverOf(1), { resource: 'https://nowhere.example' }, 'invalid_target', 'target-unknown'],
    [serverOf(1), {}, 'invalid_target', 'target-missing'],
    [serverOf(1), { resource: resourceIdOf(2), scope: '' }, 'invalid_scope', 'scope-missing'],
  ] as const) {
    const answer = await exchange(who, token, values)
    expect([answer.status, answer.error, lastReason()]).toEqual([400, error, reason])
  }
})

test('RFC 8693 §2.1 audience is another word for the resource, and says nothing more beside it', async () => {
  await using closing = new AsyncDisposableStack()
  const { first, exchange, records } = await start(closing)
  const token = await first()
  const audience = resourceIdOf(2)
  for (const named of [{ audience }, { audience, resource: audience }]) {
    const answer = await exchange(serverOf(1), token, named)
    expect(decodeJwt(answer.access_token ?? expect.fail(JSON.stringify(answer))).aud).toBe(audience)
  }
  // So it is on record where it is refused.
  const refusal = await exchange(serverOf(1), token, { audience, scope: 'own5' })
  expect([refusal.status, records().at(-1)]).toMatchObject([
    400,
    { kind: 'token.denied', audience: [audience], scope: ['own5'] },
  ])
})

test('a scope of the next resource stands for one of the token where its scope_map says so, and for no copy', async () => {
  await using closing = new AsyncDisposableStack()
  const changed = {
    scopeMap: new Map([
      ['own2', ['other', 'read']],
      ['write', ['admin']],
    ]),
  }
  const { first, exchange, lastReason } = await start(closing, { changed })
  const token = await first()
  const hop = (scope: string) => exchange(serverOf(1), token, { resource: resourceIdOf(2), scope })
  expect(await hop('own2')).toMatchObject({ status: 200, scope: 'own2' })
  // What is mapped is what counts, whether or not the names are the same.
  expect((await hop('write')).error).toBe('invalid_scope')
  const own = await first(undefined, 'read', 2)
  expect((await exchange(web, own, { resource: resourceIdOf(2), scope: 'own2' })).error).toBe(
    'invalid_scope',
  )
  expect(lastReason()).toBe('scope-wider')
  // Nor for who serves it, and asks for the same resource again: what is mapped are names of others.
  const again = await exchange(serverOf(2), own, { resource: resourceIdOf(2), scope: 'own2' })
  expect([again.error, lastReason()]).toEqual(['invalid_scope', 'scope-wider'])
  expect((await exchange(serverOf(2), own, { resource: resourceIdOf(2) })).status).toBe(200)
})

test('nothing gets longer: it ends with the token, with the SVID of who asks, and with what its resource allows', async () => {
  await using closing = new AsyncDisposableStack()
  const { first, exchange, clock, asserting } = await start(closing, {
    changed: { maxTtlSeconds: 60 },
  })
  const token = await first()
  const { exp = 0, iat = 0 } = decodeJwt(token)
  await clock.advance(100_000)
  const expOf = async (who: SpiffeId | Proof, resource: string): Promise<number> => {
    const { access_token = '', ...answer } = await exchange(who, token, { resource })
    expect(answer.status).toBe(200)
    return decodeJwt(access_token).exp ?? 0
  }
  expect(await expOf(serverOf(1), resourceIdOf(3))).toBe(exp)
  expect(await expOf(web, resourceIdOf(1))).toBe(exp)
  expect(await expOf(serverOf(1), resourceIdOf(2))).toBe(iat + 160)
  expect(await expOf(await asserting(serverOf(1), 50), resourceIdOf(3))).toBe(iat + 150)
  await clock.advance(200_000)
  const answer = await exchange(serverOf(1), token, { resource: resourceIdOf(3) })
  expect(answer.error).toBe('invalid_request')
})

test('T26 whatever is revoked on the way, nothing more is had for what comes after it', async () => {
  await using closing = new AsyncDisposableStack()
  for (const revoke of ['transaction', 'subject', 'middle', 'token', 'entry'] as const) {
    const { chain, exchange, revocations, lastReason } = await start(closing)
    const token = await chain(3)
    const { txn, jti = '', iat = 0 } = decodeJwt<Claims>(token)
    const [kind, id] = (
      {
        transaction: ['transaction', txn],
        subject: ['spiffe-id', web],
        middle: ['spiffe-id', serverOf(2)],
        token: ['token', jti],
        entry: ['entry', 's3'],
      } as const
    )[revoke]
    revocations.apply({ kind, id, notBefore: iat, endsAt: 1e10 })
    const answer = await exchange(serverOf(4), token, { resource: resourceIdOf(5) })
    expect([revoke, answer.error, lastReason()]).toEqual([
      revoke,
      'invalid_request',
      'token-revoked',
    ])
  }
})

test('nothing is exchanged for what would be dead in its own second: 503, and in the next second it is', async () => {
  await using closing = new AsyncDisposableStack()
  const { first, exchange, revocations, clock, lastReason } = await start(closing)
  const token = await first()
  await clock.advance(1000)
  const notBefore = Math.floor(clock.now().getTime() / 1000)
  revocations.apply({ kind: 'audience', id: resourceIdOf(2), notBefore, endsAt: 1e10 })
  const answer = await exchange(serverOf(1), token, { resource: resourceIdOf(2) })
  expect([answer.status, lastReason()]).toEqual([503, 'revoked-this-second'])
  await clock.advance(1000)
  expect((await exchange(serverOf(1), token, { resource: resourceIdOf(2) })).status).toBe(200)
})

test('RFC 8693 §4.4 only whom the token names in may_act may act, and a copy keeps saying so', async () => {
  await using closing = new AsyncDisposableStack()
  const world = await start(closing)
  const { exchange, lastReason, ca } = world
  const tokenFor = async (mayAct: unknown): Promise<string> => {
    const claims = {
      ...{ iss: issuer, client_id: web, txn: 't', scope: 'read', entry_id: 'web' },
      may_act: mayAct,
    }
    const { token } = await ca.issueAccessToken({
      ...{ spiffeId: web, audience: resourceIdOf(1), jti: 'j', ttlSeconds: 300, claims },
      notAfter: new Date(world.clock.now().getTime() + 300_000),
      audit: { actor: { kind: 'server' } },
    })
    return token
  }
  const hop = (token: string) => exchange(serverOf(1), token, { resource: resourceIdOf(2) })
  const allowed = await hop(await tokenFor({ sub: serverOf(1) }))
  expect(decodeJwt(allowed.access_token ?? '')).not.toHaveProperty('may_act')
  expect((await hop(await tokenFor({ sub: serverOf(1), iss: issuer }))).status).toBe(200)
  for (const mayAct of [
    { sub: serverOf(2) },
    { sub: serverOf(1), iss: 'https://other.example' },
    {},
    null,
    serverOf(1),
  ]) {
    const token = await tokenFor(mayAct)
    expect((await hop(token)).error).toBe('invalid_request')
    expect(lastReason()).toBe('subject-may-act')
    const copy = await exchange(web, token, { resource: resourceIdOf(1) })
    expect(decodeJwt(copy.access_token ?? '')['may_act']).toEqual(mayAct)
  }
})

test('RFC 8705 a copy of a bound token is for who has its certificate; at the next hop the actor’s own binds', async () => {
  await using closing = new AsyncDisposableStack()
  const { first, exchange, certified, lastReason } = await start(closing)
  const mine = await certified(web)
  const token = await first(mine)
  const copyBy = (who: Proof | SpiffeId) => exchange(who, token, { resource: resourceIdOf(1) })
  const same = await copyBy(mine)
  expect(decodeJwt(same.access_token ?? '')['cnf']).toEqual(decodeJwt(token)['cnf'])
  for (const who of [web, await certified(web)]) {
    expect((await copyBy(who)).error).toBe('invalid_request')
    expect(lastReason()).toBe('subject-bound')
  }
  const hop = async (who: Proof | SpiffeId) =>
    decodeJwt((await exchange(who, token, { resource: resourceIdOf(2) })).access_token ?? '')
  expect(await hop(serverOf(1))).not.toHaveProperty('cnf')
  const bound = await hop(await certified(serverOf(1)))
  expect(bound['cnf']).toEqual({ 'x5t#S256': expect.any(String) })
  expect(bound['cnf']).not.toEqual(decodeJwt(token)['cnf'])
})

test('the policy is asked about the exchange, by the client, with what the token says', async () => {
  await using closing = new AsyncDisposableStack()
  const asked: PolicyQuestion[] = []
  let decision = permitted
  const decide = (question: PolicyQuestion) => {
    asked.push(question)
    return question.action === 'exchangeToken' ? decision : permitted
  }
  const { chain, exchange, lastReason } = await start(closing, {
    policies: { decide, revision: 'r' },
  })
  const token = await chain(1)
  decision = refused
  const answer = await exchange(serverOf(2), token, { resource: resourceIdOf(3) })
  expect([answer.error, lastReason()]).toEqual(['invalid_target', 'policy-forbids'])
  expect(asked.at(-2)).toMatchObject({
    ...{ action: 'exchangeToken', subject: web, actors: [serverOf(1)], depth: 2 },
    ...{ audience: resourceIdOf(2), scopes: ['read'], auth: 'spiffe_jwt' },
    entry: { spiffeId: serverOf(2) },
    resource: { id: resourceIdOf(3) },
  })
})

test('RFC 8693 §2.1 what is malformed, or no access token of this server’s, is an invalid request', async () => {
  await using closing = new AsyncDisposableStack()
  const { first, exchange, asserting, lastReason, records } = await start(closing)
  const token = await first()
  const svid = await asserting(web)
  const actor = { actor_token: token, actor_token_type: tokenTypes.accessToken }
  for (const [values, reason] of [
    [{ subject_token: '' }, 'request-subject-missing'],
    [{ subject_token_type: '' }, 'request-subject-type'],
    [{ subject_token_type: tokenTypes.idToken }, 'request-two-mechanisms'],
    [{ subject_token_type: tokenTypes.jwt }, 'request-two-mechanisms'],
    [{ actor_token: actor.actor_token }, 'request-actor-token'],
    [{ actor_token_type: actor.actor_token_type }, 'request-actor-token'],
    [actor, 'request-actor-token'],
    [{ requested_token_type: tokenTypes.idToken }, 'request-requested-type'],
    [{ subject_token: [token, token] }, 'request-parameter-repeated'],
    [{ subject_token: `${token}x` }, 'token-malformed'],
    [{ subject_token: token.replace(/.{4}$/, 'AAAA') }, 'token-signature'],
    [{ subject_token: 'assertion' in svid ? svid.assertion : '' }, 'token-type'],
    [{ subject_token: 'x'.repeat(9000) }, 'token-too-large'],
  ] as const) {
    const answer = await exchange(serverOf(1), token, { resource: resourceIdOf(2), ...values })
    expect([reason, answer.status, answer.error]).toEqual([reason, 400, 'invalid_request'])
    expect(lastReason()).toBe(reason)
    expect(records().at(-1)).toMatchObject({ kind: 'token.denied', details: { door: 'token' } })
  }
})

test.each(['spiffe-id', 'key'] as const)(
  'T26 a token whose %s is revoked while it is exchanged is worth nothing any more',
  async (kind) => {
    await using closing = new AsyncDisposableStack()
    let meanwhile = (): void => {}
    const world = await start(closing, { issued: { ready: () => meanwhile(), note() {} } })
    const token = await world.first()
    const { kid = '' } = decodeProtectedHeader(token)
    // What is issued for it is signed by another.
    const by = { actor: { kind: 'server' } } as const
    await world.ca.activate('oauth', (await world.ca.prepare('oauth', by)).id, by)
    const proof = await world.asserting(serverOf(1))
    meanwhile = () => {
      const notBefore = Math.floor(world.clock.now().getTime() / 1000)
      const id = kind === 'key' ? kid : web
      world.revocations.apply({ kind, id, notBefore, endsAt: notBefore + 3600 })
      world.clock.jump(1000)
    }
    const answer = await world.exchange(proof, token, { resource: resourceIdOf(2) })
    expect(answer).toMatchObject({ status: 503, error: 'temporarily_unavailable' })
    expect(answer).not.toHaveProperty('access_token')
  },
)

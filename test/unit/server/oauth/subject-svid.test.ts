import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { assertionGrant } from '../../../../server/oauth/federated/assertion-grant.ts'
import type { FederatedAuthenticator } from '../../../../server/oauth/federated/federated.ts'
import { createTokenDoor } from '../../../../server/oauth/token-door.ts'
import { tokenExchangeGrant, tokenTypes } from '../../../../server/oauth/token-types.ts'
import type { PolicyQuestion } from '../../../../src/policy/question.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { form, issuer, orders, resourceOf } from '../../../support/oauth.ts'
import { entryOf, idOf } from '../entry/samples.ts'
import {
  type Answer,
  type OauthWorld,
  permitted,
  refused,
  send,
  startWorld,
  web,
  wish,
} from './oauth-world.ts'

/** Has no entry; each JWT-SVID of `once` proves it once; policies give `unwanted` nothing. */
const gone = idOf('/gone')
const once = idOf('/once')
const unwanted = idOf('/unwanted')
const bound = 'https://bound.example.org'
const closing = new AsyncDisposableStack()
const asked: PolicyQuestion[] = []
let world: OauthWorld

beforeAll(async () => {
  const all = [web, once, unwanted].map((spiffeId) =>
    entryOf({
      id: SpiffeId.pathOf(spiffeId).slice(1),
      spiffeId,
      jwtSvidSingleUse: spiffeId === once,
    }),
  )
  world = await startWorld(closing, {
    entriesOf: (id) => all.filter(({ spiffeId }) => spiffeId === id),
    settings: {
      issuer,
      resources: new Map([
        [orders, resourceOf(orders)],
        [bound, resourceOf(bound, { requireCnf: true })],
      ]),
    },
    policies: {
      decide(question) {
        asked.push(question)
        return 'entry' in question && question.entry.spiffeId === unwanted ? refused : permitted
      },
      revision: 'r',
    },
  })
})

afterAll(() => closing[Symbol.asyncDispose]())

type Values = Readonly<Record<string, string>>

async function svidOf(id: SpiffeId, ttlSeconds = 300, jti?: string): Promise<string> {
  const proof = await world.asserting(id, ttlSeconds, jti)
  return 'assertion' in proof ? proof.assertion : expect.fail()
}

/** Shows it alone, as a client does that knows token exchange and nothing else. */
async function exchanged(
  token: string,
  more: Values = {},
  chain: readonly Buffer[] = [],
  door = world.server,
): Promise<Answer> {
  const values = {
    grant_type: tokenExchangeGrant,
    ...{ subject_token: token, subject_token_type: tokenTypes.jwt },
    ...{ resource: orders, scope: 'orders:read', ...more },
  }
  const { status, headers, body } = await door.answer({
    ...{ body: form(values), authorization: undefined, chain, address: '10.0.0.1:4000' },
  })
  return { ...JSON.parse(body), status, headers }
}

const lastReason = () => world.records().at(-1)?.['reason']

describe('RFC 8693 a JWT-SVID as subject_token, alone', () => {
  test('buys what client_credentials would: of its own subject, for as long as it lasts, by the same policy', async () => {
    const svid = await svidOf(web, 200)
    const answer = await exchanged(svid, { client_id: web })
    expect(answer).toMatchObject({
      ...{ status: 200, token_type: 'Bearer', scope: 'orders:read' },
      ...{ issued_token_type: tokenTypes.accessToken, expires_in: 200 },
    })
    const claims = decodeJwt(answer.access_token ?? '')
    expect(claims).toMatchObject({ sub: web, client_id: web, aud: orders })
    expect(claims).not.toHaveProperty('act')
    expect(asked.at(-1)).toMatchObject({ action: 'issueToken', auth: 'spiffe_jwt' })
    expect(world.records().at(-1)).toMatchObject({
      ...{ kind: 'token.issued', spiffeId: web, grant: tokenExchangeGrant },
      actor: { kind: 'workload', id: web, auth: 'spiffe_jwt' },
    })
    // RFC 6749 §5.1 knows no such member.
    const plain = await send(world.server, { assertion: svid }, wish)
    expect([plain.status, 'issued_token_type' in plain]).toEqual([200, false])
  })

  test('is good once where its entry says so, at whichever grant it is shown first', async () => {
    const first = await svidOf(once, 300, 'a')
    expect((await exchanged(first)).status).toBe(200)
    expect((await exchanged(first)).status).toBe(401)
    expect(lastReason()).toBe('client-assertion-replayed')
    expect((await send(world.server, { assertion: first }, wish)).status).toBe(401)
    const other = await svidOf(once, 300, 'b')
    expect((await send(world.server, { assertion: other }, wish)).status).toBe(200)
    expect((await exchanged(other)).status).toBe(401)
    expect((await exchanged(await svidOf(once))).status).toBe(401)
    expect(lastReason()).toBe('client-assertion-jti')
  })

  test('is worth nothing once it was revoked, its entry is gone, or its policy says no', async () => {
    const mark = Math.floor(world.clock.now().getTime() / 1000)
    const before = await svidOf(web)
    world.revocations.apply({ kind: 'spiffe-id', id: web, notBefore: mark, endsAt: mark + 3600 })
    expect([(await exchanged(before)).status, lastReason()]).toEqual([401, 'svid-revoked'])
    world.clock.jump(2000)
    expect((await exchanged(await svidOf(web))).status).toBe(200)
    expect((await exchanged(await svidOf(gone))).status).toBe(401)
    expect(lastReason()).toBe('client-unknown')
    expect(await exchanged(await svidOf(unwanted))).toMatchObject({
      ...{ status: 400, error: 'invalid_target' },
    })
    expect(lastReason()).toBe('policy-forbids')
  })

  test('is refused beside any other proof, were it of the same workload', async () => {
    const svid = await svidOf(web)
    for (const id of [web, once]) {
      const proof = await world.certified(id)
      const chain = 'chain' in proof ? proof.chain : expect.fail()
      const answer = await exchanged(svid, { client_id: id }, chain)
      expect([answer.status, answer.error]).toEqual([400, 'invalid_request'])
      expect(lastReason()).toBe('request-two-mechanisms')
    }
    for (const more of [{ client_assertion: svid }, { client_secret: 'x' }]) {
      expect((await exchanged(svid, more)).error).toBe('invalid_request')
      expect(lastReason()).toBe('request-two-mechanisms')
    }
  })

  test('is refused with anything that makes it another request', async () => {
    const svid = await svidOf(web)
    for (const [more, error, reason] of [
      [{ client_id: once }, 'invalid_client', 'client-id'],
      [{ subject_token_type: tokenTypes.idToken }, 'invalid_request', 'request-subject-type'],
      [{ requested_token_type: tokenTypes.jwt }, 'invalid_request', 'request-requested-type'],
      [{ requested_token_type: tokenTypes.x509Svid }, 'invalid_request', 'request-requested-type'],
      [{ actor_token: svid }, 'invalid_request', 'request-actor-token'],
      [{ actor_token_type: tokenTypes.jwt }, 'invalid_request', 'request-actor-token'],
      [{ subject_token: '' }, 'invalid_request', 'request-subject-missing'],
      [{ subject_token: 'x.y' }, 'invalid_request', 'token-malformed'],
      [{ resource: 'https://nowhere.example' }, 'invalid_target', 'target-unknown'],
      [{ resource: bound }, 'invalid_target', 'target-needs-certificate'],
      [{ scope: 'orders:all' }, 'invalid_scope', 'scope-unknown'],
    ] as const) {
      expect([(await exchanged(svid, more)).error, lastReason()]).toEqual([error, reason])
    }
  })

  test('is never an access token, whatever type is written beside it', async () => {
    const { access_token = '' } = await send(world.server, await world.asserting(web), wish)
    expect((await exchanged(access_token)).error).toBe('invalid_request')
    expect(lastReason()).toBe('token-type')
  })
})

test('RFC 6749 §5.2 where no issuer is listed there is no grant by an assertion, of whomever', async () => {
  const assertion = await svidOf(web)
  const asked = { ...wish, grant_type: assertionGrant, assertion }
  const proved = await send(world.server, await world.asserting(web), asked)
  // Such a grant comes alone: whoever shows one is told that there is none, and not that it has proved nothing.
  const alone = await exchanged(assertion, { grant_type: assertionGrant, assertion })
  for (const { status, error } of [proved, alone]) {
    expect([status, error]).toEqual([400, 'unsupported_grant_type'])
    expect(lastReason()).toBe('grant-unsupported')
  }
})

test('a token of a listed issuer is judged by its rules, though its subject is the ID of a workload', async () => {
  const shown: string[] = []
  const federated: Pick<FederatedAuthenticator, 'knows' | 'authenticate'> = {
    knows: (name) => name === 'https://partner.example',
    authenticate(token) {
      shown.push(token)
      return Promise.reject(new Error('judged by its rules'))
    },
  }
  const door = createTokenDoor({ ...world.deps, federated })
  const part = (of: object) => Buffer.from(JSON.stringify(of)).toString('base64url')
  const unsigned = (claims: object, header: object = {}) =>
    `${part({ alg: 'ES256', ...header })}.${part({ sub: web, ...claims })}.AAAA`
  const listed = unsigned({ iss: 'https://partner.example' })
  const hinted = unsigned({}, { x5t: 'a hint' })
  const nobody = unsigned({ sub: 'repo:shop' })
  for (const token of [listed, hinted, nobody]) {
    expect((await exchanged(token, {}, [], door)).status).toBe(500)
    expect(shown.pop()).toBe(token)
  }
  const svid = await svidOf(web)
  expect((await exchanged(svid, {}, [], door)).status).toBe(200)
  const identity = { subject_token_type: tokenTypes.idToken }
  expect((await exchanged(svid, identity, [], door)).error).toBe('invalid_request')
  expect(lastReason()).toBe('request-subject-type')
  expect((await exchanged(unsigned({}), {}, [], door)).error).toBe('invalid_request')
  expect(shown).toEqual([])
})

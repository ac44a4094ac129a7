import { UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generateKeyPair } from '../../src/x509/key.ts'
import { toPem } from '../../src/x509/pem.ts'
import {
  id,
  reviewed,
  reviewing,
  startCi,
  tokenReview,
  types,
  x509Type,
} from '../support/federated-ci.ts'
import { exchanging, type FederatedServer, type Values } from '../support/federated-server.ts'
import { assertionType, issuer } from '../support/oauth.ts'
import {
  accountUid,
  githubClaims,
  kubernetesClaims,
  nowSeconds,
  podUid,
} from '../support/oidc-issuer.ts'
import { mint } from '../support/running-server.ts'

let world: FederatedServer

beforeAll(async () => {
  world = await startCi()
})

afterAll(() => world?.[Symbol.asyncDispose]())

describe('T30 gets no token, and the trail says why:', () => {
  const github = (claims: object = {}, header: object = {}) =>
    world.github.sign(githubClaims(issuer, { ...claims }), { ...header })
  const refusals: readonly {
    readonly who: string
    readonly token: () => Promise<string>
    readonly more?: Values
    readonly headers?: Values
    readonly status?: number
    readonly error?: string
    readonly reason: string
  }[] = [
    {
      who: 'an issuer that is not listed',
      token: () => github({ iss: 'https://token.example' }),
      reason: 'subject-issuer',
    },
    {
      who: 'an issuer with a slash more',
      token: () => github({ iss: `${world.github.url}/` }),
      reason: 'subject-issuer',
    },
    {
      who: 'one issuer in the name of another',
      token: () => world.gitlab.sign({ ...githubClaims(issuer), iss: world.github.url }),
      reason: 'subject-key',
    },
    {
      who: 'another key under a key ID that is known',
      token: async () =>
        world.github.sign(githubClaims(issuer), {}, (await generateKeyPair('rsa-2048')).privateKey),
      reason: 'token-signature',
    },
    ...(
      [
        ['another audience', 'https://sts.example'],
        ['the audience with a slash more', `${issuer}/`],
        ['this audience and another', [issuer, 'https://sts.example']],
        ['no audience', undefined],
      ] as const
    ).map(([who, aud]) => ({ who, token: () => github({ aud }), reason: 'subject-audience' })),
    {
      who: 'no signature',
      token: async () =>
        new UnsecuredJWT({ ...githubClaims(issuer), iss: world.github.url }).encode(),
      reason: 'token-algorithm',
    },
    {
      who: 'an HMAC under the public key',
      token: () =>
        world.github.sign(
          githubClaims(issuer),
          { alg: 'HS256' },
          world.github.publicKey.export({ type: 'spki', format: 'der' }),
        ),
      reason: 'token-algorithm',
    },
    {
      who: 'an algorithm that is not this issuer’s',
      token: () => github({}, { alg: 'PS256' }),
      reason: 'subject-algorithm',
    },
    {
      who: 'a key ID that nobody knows',
      token: () => github({}, { kid: 'unknown' }),
      reason: 'subject-key',
    },
    { who: 'no key ID', token: () => github({}, { kid: undefined }), reason: 'subject-key' },
    {
      who: 'a header that brings its own key',
      token: () => github({}, { jwk: { kty: 'RSA' } }),
      reason: 'token-header',
    },
    {
      who: 'an access token of its own kind',
      token: () => github({}, { typ: 'at+jwt' }),
      reason: 'token-type',
    },
    {
      who: 'a token that is over',
      token: () => github({ iat: nowSeconds() - 300, exp: nowSeconds() }),
      reason: 'subject-expired',
    },
    {
      who: 'a token that lives too long',
      token: () => github({ exp: nowSeconds() + 601 }),
      reason: 'subject-max-age',
    },
    {
      who: 'a token of tomorrow',
      token: () => github({ iat: nowSeconds() + 90, exp: nowSeconds() + 300 }),
      reason: 'subject-not-yet-valid',
    },
    {
      who: 'a token that begins later',
      token: () => github({ nbf: nowSeconds() + 90 }),
      reason: 'subject-not-yet-valid',
    },
    { who: 'no expiry', token: () => github({ exp: undefined }), reason: 'subject-times' },
    { who: 'no time of issue', token: () => github({ iat: undefined }), reason: 'subject-times' },
    {
      who: 'times that are text',
      token: () => github({ exp: `${nowSeconds() + 60}` }),
      reason: 'subject-times',
    },
    {
      who: 'no jti where a token is good once',
      token: () => github({ jti: undefined }),
      reason: 'subject-jti',
    },
    { who: 'a jti that is no text', token: () => github({ jti: 7 }), reason: 'subject-jti' },
    {
      who: 'a jti without end',
      token: () => github({ jti: 'j'.repeat(1025) }),
      reason: 'subject-jti',
    },
    ...[undefined, '', 7, 's'.repeat(2049)].map((sub) => ({
      who: `a subject that is ${typeof sub} of ${String(sub).length}`,
      token: () => github({ sub }),
      reason: 'subject-missing',
    })),
    ...(
      [
        ['another branch', { ref: 'refs/heads/main2' }],
        ['a branch in other letters', { ref: 'refs/heads/Main' }],
        ['another repository', { repository_id: '740' }],
        ['a repository of the same name', { repository_id: '999', repository: 'shop/orders' }],
        ['no branch', { ref: undefined }],
        ['several branches', { ref: ['refs/heads/main'] }],
        ['the ID of a workload for a subject', { repository_id: '1', sub: id('deploy') }],
      ] as const
    ).map(([who, claims]) => ({ who, token: () => github(claims), reason: 'subject-rule' })),
    {
      who: 'a pod’s token that is bound to no pod',
      token: () =>
        world.kubernetes.sign(
          kubernetesClaims(issuer, {
            'kubernetes.io': { namespace: 'shop', serviceaccount: { uid: accountUid } },
          }),
        ),
      reason: 'subject-pod',
    },
    {
      who: 'a pod’s token of a day',
      token: () => world.kubernetes.sign(kubernetesClaims(issuer, { exp: nowSeconds() + 86_400 })),
      reason: 'subject-max-age',
    },
    {
      who: 'a pod of another service account of the same name',
      token: () =>
        world.kubernetes.sign(
          kubernetesClaims(issuer, {
            'kubernetes.io': {
              namespace: 'shop',
              pod: { uid: podUid },
              serviceaccount: { name: 'orders', uid: podUid },
            },
          }),
        ),
      reason: 'subject-rule',
    },
    {
      who: 'a rule whose ID has no entry',
      token: () => github({ repository_id: '75' }),
      ...{ status: 401, error: 'invalid_client', reason: 'client-unknown' },
    },
    {
      who: 'a client_id that the rule does not give',
      token: () => github(),
      more: { client_id: id('svid') },
      ...{ status: 401, error: 'invalid_client', reason: 'client-id' },
    },
    {
      who: 'a token beside a client assertion',
      token: () => github(),
      more: { client_assertion: 'x' },
      reason: 'request-two-mechanisms',
    },
    {
      who: 'a token beside the type of an assertion',
      token: () => github(),
      more: { client_assertion_type: assertionType },
      reason: 'request-two-mechanisms',
    },
    {
      who: 'a token beside a password',
      token: () => github(),
      headers: { authorization: 'Basic eDp5' },
      reason: 'request-two-mechanisms',
    },
    {
      who: 'an actor',
      token: () => github(),
      more: { actor_token: 'x', actor_token_type: `${types}:jwt` },
      reason: 'request-actor-token',
    },
    { who: 'nothing', token: async () => '', reason: 'request-subject-missing' },
    { who: 'what is no token', token: async () => 'x.y', reason: 'token-malformed' },
    {
      who: 'a type of token that there is not',
      token: () => github(),
      more: { requested_token_type: `${types}:saml2` },
      reason: 'request-requested-type',
    },
    {
      who: 'an SVID by a rule for access tokens',
      token: () => github(),
      more: { requested_token_type: `${types}:jwt`, audience: 'https://db.example.org' },
      ...{ error: 'unauthorized_client', reason: 'policy-rule' },
    },
    {
      who: 'an access token by a rule for SVIDs',
      token: () => github({ repository_id: '76' }),
      ...{ error: 'unauthorized_client', reason: 'policy-rule' },
    },
    {
      who: 'the SVID of an administrator',
      token: () => github({ repository_id: '77' }),
      more: { requested_token_type: `${types}:jwt`, audience: 'https://db.example.org' },
      ...{ error: 'unauthorized_client', reason: 'policy-rule' },
    },
    {
      who: 'a JWT-SVID for nobody',
      token: () => github({ repository_id: '76' }),
      more: { requested_token_type: `${types}:jwt` },
      ...{ error: 'invalid_target', reason: 'target-missing' },
    },
    {
      who: 'a JWT-SVID for a name without end',
      token: () => github({ repository_id: '76' }),
      more: { requested_token_type: `${types}:jwt`, audience: 'a'.repeat(2049) },
      ...{ error: 'invalid_target', reason: 'target-malformed' },
    },
    ...['', 'x', toPem('CERTIFICATE', Buffer.of(48, 0))].map((csr) => ({
      who: `an X.509-SVID for ${csr === '' ? 'no key' : 'what is no request'}`,
      token: () => github({ repository_id: '76' }),
      more: { requested_token_type: x509Type, csr },
      reason: 'request-csr',
    })),
  ]

  test.for(refusals)('$who ($reason)', async (refusal) => {
    const { token, more, headers, status = 400, error = 'invalid_request', reason } = refusal
    const before = world.records().length
    const answer = await world.post(exchanging(await token(), more), { headers: headers ?? {} })
    const body = JSON.parse(answer.body)
    expect([answer.status, body.error]).toEqual([status, error])
    expect(body).not.toHaveProperty('access_token')
    expect(body.error_description).not.toContain(reason)
    const after = world.records().slice(before)
    expect(after).toMatchObject([{ kind: 'token.denied', reason, details: { door: 'token' } }])
  })

  test('what no rule fits is on record with what the rules look at', async () => {
    const token = await github({ ref: 'refs/heads/next', environment: 'unasked' })
    await world.post(exchanging(token))
    expect(world.records().at(-1)).toMatchObject({
      ...{ kind: 'token.denied', reason: 'subject-rule' },
      ...{ subject: 'repo:shop/orders:environment:prod', actor: { kind: 'node' } },
      details: {
        subjectIssuer: world.github.url,
        claims: 'ref=refs/heads/next repository_id=74',
      },
    })
  })

  test('a token beside a certificate', async () => {
    const token = await world.github.sign(githubClaims(issuer))
    const identity = await mint(world.server, '/ci/deploy')
    expect((await world.post(exchanging(token), { identity })).status).toBe(400)
    expect(world.records().at(-1)).toMatchObject({ reason: 'request-two-mechanisms' })
  })

  test('of the API server other words: not authenticated, another account, another pod, for others, no answer', async () => {
    const token = await world.kubernetes.sign(kubernetesClaims(issuer))
    const { user } = reviewed
    for (const [status, code, reason] of [
      [{ ...reviewed, authenticated: false }, 400, 'subject-review'],
      [{ ...reviewed, authenticated: undefined }, 400, 'subject-review'],
      [{ ...reviewed, user: { ...user, uid: podUid } }, 400, 'subject-review'],
      [{ ...reviewed, user: { uid: accountUid } }, 400, 'subject-review'],
      [{ ...reviewed, audiences: ['https://kubernetes.default.svc'] }, 400, 'subject-review'],
      // So answers an API server that does not know of audiences.
      [{ ...reviewed, audiences: undefined }, 400, 'subject-review'],
      [{ ...reviewed, authenticated: 'true' }, 503, 'token-review-unavailable'],
    ] as const) {
      reviewing(world, status)
      expect((await world.post(exchanging(token))).status).toBe(code)
      expect(world.records().at(-1)).toMatchObject({ kind: 'token.denied', reason })
    }
    world.kubernetes.answer(tokenReview, (_, response) => response.writeHead(403).end())
    const answer = await world.post(exchanging(token))
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '5'])
  })
})

test('T12 of many pods that wait for the API server at once some are told to come again', async () => {
  const token = await world.kubernetes.sign(kubernetesClaims(issuer))
  const held: (() => void)[] = []
  world.kubernetes.answer(tokenReview, (_, response) => {
    held.push(() => response.writeHead(500).end())
  })
  const waiting = Array.from({ length: 32 }, () => world.post(exchanging(token)))
  await expect.poll(() => held.length).toBe(32)
  const late = await world.post(exchanging(token))
  expect([late.status, late.headers['retry-after']]).toEqual([503, '1'])
  for (const release of held) release()
  expect((await Promise.all(waiting)).every(({ status }) => status === 503)).toBe(true)
  expect(held).toHaveLength(32)
})

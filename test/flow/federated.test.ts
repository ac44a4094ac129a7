import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createVerifier, type Verifier } from 'countersign/resource-server'
import { decodeJwt, UnsecuredJWT } from 'jose'
import { customFetch, discovery, genericGrantRequest, None } from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleFromWire } from '../../src/rpc/convert.ts'
import { verifyJwtSvid } from '../../src/svid/jwt-svid.ts'
import { verifyX509Svid } from '../../src/svid/x509-svid.ts'
import { createCsr } from '../../src/x509/csr.ts'
import { generateKeyPair, softwareSigner, spkiOf } from '../../src/x509/key.ts'
import { fromPem, toPem } from '../../src/x509/pem.ts'
import {
  exchanging,
  type FederatedServer,
  reachOf,
  startFederatedServer,
  type Values,
} from '../support/federated-server.ts'
import { ask, issuer, orders } from '../support/oauth.ts'
import {
  accountUid,
  bodyOf,
  githubClaims,
  gitlabClaims,
  kubernetesClaims,
  nowSeconds,
  podUid,
} from '../support/oidc-issuer.ts'
import { mint } from '../support/running-server.ts'
import { sourceOf } from '../support/x509-fixtures.ts'

const id = (path: string): string => `spiffe://example.org/ci/${path}`
const policy = `
@id("ci-reads-orders")
permit (principal is Workload, action == Action::"issueToken", resource == Api::"${orders}")
when { context.auth == "oidc" && ["orders:read"].containsAll(context.scopes) };
`
const tokenReview = '/apis/authentication.k8s.io/v1/tokenreviews'
const types = 'urn:ietf:params:oauth:token-type'
const x509Type = 'urn:countersign:token-type:x509-svid'
const { privateKey } = await generateKeyPair('ec-p256')

let world: FederatedServer
let verifier: Verifier

beforeAll(async () => {
  world = await startFederatedServer({
    policy,
    entries: ['/ci/deploy', '/ci/lab', '/ci/pod', '/ci/svid', '/ci/twice', '/ci/admin'].map(
      (path) => ({ path, dns_names: ['ci.example.org'], admin: path === '/ci/admin' }),
    ),
    federation({ github, gitlab, kubernetes }) {
      const tokenFile = join(kubernetes.ca, '..', 'reviewer.token')
      writeFileSync(tokenFile, 'reviewer\n', { mode: 0o600 })
      const main = { ref: 'refs/heads/main' }
      const svid = { issue: ['jwt_svid', 'x509_svid'] }
      return [
        {
          ...{ issuer: github.url, kind: 'github', audience: issuer, ...reachOf(github) },
          rules: [
            { match: { repository_id: '74', ...main }, as: id('deploy') },
            { match: { repository_id: '75' }, as: id('nobody') },
            { match: { repository_id: '76' }, as: id('svid'), ...svid },
            { match: { repository_id: '77' }, as: id('admin'), ...svid },
          ],
        },
        {
          ...{ issuer: gitlab.url, kind: 'gitlab', audience: issuer, ...reachOf(gitlab) },
          ...{ jwks: `${gitlab.url}/keys` },
          rules: [{ match: { project_id: '20', ref_protected: 'true' }, as: id('lab') }],
        },
        {
          ...{ issuer: kubernetes.url, kind: 'kubernetes', audience: issuer },
          ...reachOf(kubernetes),
          token_review: { url: kubernetes.url, ca_file: kubernetes.ca, token_file: tokenFile },
          rules: [{ match: { 'kubernetes.io/serviceaccount/uid': accountUid }, as: id('pod') }],
        },
      ]
    },
  })
  verifier = createVerifier({
    issuer,
    audience: orders,
    jwks: async () => (await ask(world.port, world.certificate, '/oauth/jwks')).body,
  })
})

afterAll(() => world?.[Symbol.asyncDispose]())

/** What the API server says of the pod's token from now on. */
function reviewing(status: object): void {
  world.kubernetes.answer(tokenReview, (request, response) => {
    void bodyOf(request).then((text) => {
      const { spec, kind } = JSON.parse(text)
      const sound = kind === 'TokenReview' && request.headers.authorization === 'Bearer reviewer'
      response.statusCode = sound ? 201 : 401
      response.end(JSON.stringify({ kind, spec, status }))
    })
  })
}

const reviewed = {
  authenticated: true,
  audiences: [issuer],
  user: {
    username: 'system:serviceaccount:shop:orders',
    uid: accountUid,
    extra: { 'authentication.kubernetes.io/pod-uid': [podUid] },
  },
}

describe('RFC 8693 §2.2.1 a job or a pod gets an access token without a secret, and a service takes it:', () => {
  test('GitHub Actions, by its repository and its branch', async () => {
    const subject = githubClaims(issuer)
    const answer = await world.post(
      exchanging(await world.github.sign(subject, { x5t: 'a hint' }), { client_id: id('deploy') }),
    )
    const body = JSON.parse(answer.body)
    expect(body).toEqual({
      access_token: expect.any(String),
      issued_token_type: `${types}:access_token`,
      token_type: 'Bearer',
      expires_in: 120,
      scope: 'orders:read',
    })
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store' })
    expect(await verifier.verify(body.access_token)).toMatchObject({ subject: id('deploy') })
    const claims = decodeJwt(body.access_token)
    expect(claims).not.toHaveProperty('act')
    expect(world.records().at(-1)).toMatchObject({
      ...{ kind: 'token.issued', spiffeId: id('deploy'), jti: claims.jti },
      subject: 'repo:shop/orders:environment:prod',
      actor: { kind: 'workload', id: id('deploy'), auth: 'oidc' },
      policies: ['ci-reads-orders'],
      details: { subjectIssuer: world.github.url, subjectJti: subject['jti'] },
    })
  })

  test('a GitLab job, by its project and a protected branch', async () => {
    const token = await world.gitlab.sign(gitlabClaims(issuer))
    const { body } = await world.post(
      exchanging(token, { subject_token_type: `${types}:id_token` }),
    )
    expect(decodeJwt(JSON.parse(body).access_token).sub).toBe(id('lab'))
  })

  test('a pod, by the UID of its service account, again and again while the API server says that it is there', async () => {
    const token = await world.kubernetes.sign(kubernetesClaims(issuer))
    reviewing(reviewed)
    for (let i = 0; i < 2; i += 1) {
      const { body } = await world.post(exchanging(token))
      expect(decodeJwt(JSON.parse(body).access_token).sub).toBe(id('pod'))
    }
    expect(world.records().at(-1)).toMatchObject({ details: { podUid } })
    reviewing({ authenticated: false, error: 'pod is gone' })
    const answer = await world.post(exchanging(token))
    expect([answer.status, JSON.parse(answer.body).error]).toEqual([400, 'invalid_request'])
    expect(world.records().at(-1)).toMatchObject({ reason: 'subject-review' })
  })
})

test('openid-client exchanges a token, by the metadata alone', async () => {
  const found = await discovery(new URL(issuer), id('deploy'), undefined, None(), {
    algorithm: 'oauth2',
    [customFetch]: async (url, { method, headers, body }) => {
      const sent = { method, headers, ...(body != null && { body: String(body) }) }
      const answer = await ask(world.port, world.certificate, new URL(url).pathname, sent)
      const { 'content-type': type = '' } = answer.headers
      const { status } = answer
      return new Response(answer.body, { status, headers: { 'content-type': type } })
    },
  })
  const values = exchanging(await world.github.sign(githubClaims(issuer)))
  const { grant_type = '', ...parameters } = values
  const { access_token } = await genericGrantRequest(found, grant_type, parameters)
  expect((await verifier.verify(access_token)).subject).toBe(id('deploy'))
  await expect(genericGrantRequest(found, grant_type, parameters)).rejects.toMatchObject({
    error: 'invalid_request',
  })
})

test('T30 of one GitHub token shown over two connections at once one is exchanged, and of one shown later none', async () => {
  for (let round = 0; round < 5; round += 1) {
    const values = exchanging(await world.github.sign(githubClaims(issuer)))
    const both = await Promise.all([world.post(values), world.post(values)])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 400])
    expect((await world.post(values)).status).toBe(400)
    expect(world.records().at(-1)).toMatchObject({
      ...{ kind: 'token.denied', reason: 'subject-replayed', spiffeId: id('deploy') },
      details: { subjectIssuer: world.github.url },
    })
  }
})

test('what is refused for its scope does not use the token up', async () => {
  const token = await world.github.sign(githubClaims(issuer))
  const refused = await world.post(exchanging(token, { scope: 'orders:write' }))
  expect([refused.status, JSON.parse(refused.body).error]).toEqual([400, 'invalid_target'])
  expect((await world.post(exchanging(token))).status).toBe(200)
})

test('a token ends with the one that it was exchanged for', async () => {
  const exp = nowSeconds() + 40
  const token = await world.github.sign(githubClaims(issuer, { exp }))
  const { access_token } = JSON.parse((await world.post(exchanging(token))).body)
  expect(decodeJwt(access_token).exp).toBe(exp)
})

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
      ...{ error: 'invalid_target', reason: 'policy-rule' },
    },
    {
      who: 'an access token by a rule for SVIDs',
      token: () => github({ repository_id: '76' }),
      ...{ error: 'invalid_target', reason: 'policy-rule' },
    },
    {
      who: 'the SVID of an administrator',
      token: () => github({ repository_id: '77' }),
      more: { requested_token_type: `${types}:jwt`, audience: 'https://db.example.org' },
      ...{ error: 'invalid_target', reason: 'policy-rule' },
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

  test('of the API server other words: another account, another pod, for others, no answer', async () => {
    const token = await world.kubernetes.sign(kubernetesClaims(issuer))
    const { user } = reviewed
    for (const [status, code, reason] of [
      [{ ...reviewed, user: { ...user, uid: podUid } }, 400, 'subject-review'],
      [{ ...reviewed, user: { uid: accountUid } }, 400, 'subject-review'],
      [{ ...reviewed, audiences: ['https://kubernetes.default.svc'] }, 400, 'subject-review'],
      [{ ...reviewed, authenticated: 'true' }, 503, 'token-review-unavailable'],
    ] as const) {
      reviewing(status)
      expect((await world.post(exchanging(token))).status).toBe(code)
      expect(world.records().at(-1)).toMatchObject({ kind: 'token.denied', reason })
    }
    world.kubernetes.answer(tokenReview, (_, response) => response.writeHead(403).end())
    const answer = await world.post(exchanging(token))
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '5'])
  })
})

describe('a rule may give SVIDs, which end with the token:', () => {
  const sourceNow = async () => {
    const wire = await world.server
      .admin('spire.api.server.bundle.v1.Bundle')
      .unary('GetBundle', {})
    return sourceOf(bundleFromWire(wire))
  }

  test('a JWT-SVID for the audience that was asked for', async () => {
    const exp = nowSeconds() + 100
    const token = await world.github.sign(githubClaims(issuer, { repository_id: '76', exp }))
    const audience = 'https://db.example.org'
    const { body } = await world.post(
      exchanging(token, { requested_token_type: `${types}:jwt`, audience }),
    )
    const said = JSON.parse(body)
    expect(said).toMatchObject({ issued_token_type: `${types}:jwt`, token_type: 'N_A' })
    const svid = await verifyJwtSvid(said.access_token, { audience, bundles: await sourceNow() })
    expect(svid).toMatchObject({ spiffeId: id('svid'), audience: [audience] })
    expect(svid.expiresAt).toEqual(new Date(exp * 1000))
    expect(world.records().at(-1)).toMatchObject({
      ...{ kind: 'svid.jwt.issued', spiffeId: id('svid') },
      ...{ subject: 'repo:shop/orders:environment:prod', actor: { auth: 'oidc' } },
      details: { subjectIssuer: world.github.url },
    })
  })

  test('an X.509-SVID for the key of a request, of which nothing else is taken, and the bundle with it', async () => {
    const exp = nowSeconds() + 100
    const token = await world.github.sign(githubClaims(issuer, { repository_id: '76', exp }))
    const signer = softwareSigner(privateKey)
    const csr = toPem('CERTIFICATE REQUEST', await createCsr(signer))
    const values = exchanging(token, { requested_token_type: x509Type, csr })
    const said = JSON.parse((await world.post(values)).body)
    expect(said).toMatchObject({ issued_token_type: x509Type, token_type: 'N_A' })
    const chain = fromPem(said.access_token).map(({ der }) => der)
    const bundles = await sourceNow()
    const { spiffeId, leaf } = verifyX509Svid(chain, bundles, new Date())
    expect(spiffeId).toBe(id('svid'))
    expect(leaf.spki).toEqual(spkiOf(privateKey))
    expect(leaf.notAfter).toEqual(new Date(exp * 1000))
    expect(leaf.notBefore.getTime()).toBeLessThanOrEqual(Date.now())
    const own = bundles.bundleOf('example.org' as never)?.x509Authorities
    expect(fromPem(said.trust_bundle).map(({ der }) => der)).toEqual(
      own?.map(({ certificate }) => certificate),
    )
    expect((await world.post(values)).status).toBe(400)
    expect(world.records().at(-1)).toMatchObject({ reason: 'subject-replayed' })
  })
})

test('RFC 8414 §2 the metadata names the grant where there is an issuer to exchange for', async () => {
  const { body } = await ask(
    world.port,
    world.certificate,
    '/.well-known/oauth-authorization-server',
  )
  expect(JSON.parse(body).grant_types_supported).toEqual([
    'client_credentials',
    'urn:ietf:params:oauth:grant-type:token-exchange',
  ])
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

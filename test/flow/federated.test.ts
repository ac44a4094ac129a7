import { createVerifier, type Verifier } from 'countersign/resource-server'
import { decodeJwt } from 'jose'
import { customFetch, discovery, genericGrantRequest, None } from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleFromWire } from '../../src/rpc/convert.ts'
import { verifyJwtSvid } from '../../src/svid/jwt-svid.ts'
import { verifyX509Svid } from '../../src/svid/x509-svid.ts'
import { createCsr } from '../../src/x509/csr.ts'
import { generateKeyPair, softwareSigner, spkiOf } from '../../src/x509/key.ts'
import { fromPem, toPem } from '../../src/x509/pem.ts'
import { id, reviewed, reviewing, startCi, types, x509Type } from '../support/federated-ci.ts'
import {
  asserting,
  exchanging,
  type FederatedServer,
  type Values,
} from '../support/federated-server.ts'
import { ask, issuer, orders } from '../support/oauth.ts'
import {
  githubClaims,
  githubHeader,
  gitlabClaims,
  kubernetesClaims,
  kubernetesHeader,
  nowSeconds,
  podUid,
} from '../support/oidc-issuer.ts'
import { sourceOf } from '../support/x509-fixtures.ts'

const { privateKey } = await generateKeyPair('ec-p256')
let world: FederatedServer
let verifier: Verifier

beforeAll(async () => {
  world = await startCi()
  verifier = createVerifier({
    issuer,
    audience: orders,
    jwks: async () => (await ask(world.port, world.certificate, '/oauth/jwks')).body,
  })
})

afterAll(() => world?.[Symbol.asyncDispose]())

describe('RFC 8693 §2.2.1 a job or a pod gets an access token without a secret, and a service takes it:', () => {
  test('GitHub Actions, by its repository and its branch', async () => {
    const subject = githubClaims(issuer)
    const answer = await world.post(
      exchanging(await world.github.sign(subject, githubHeader), { client_id: id('deploy') }),
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
      details: {
        subjectIssuer: world.github.url,
        subjectJti: subject['jti'],
        rule: expect.any(String),
      },
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
    const token = await world.kubernetes.sign(kubernetesClaims(issuer), kubernetesHeader)
    reviewing(world, reviewed)
    for (let i = 0; i < 2; i += 1) {
      const { body } = await world.post(exchanging(token))
      expect(decodeJwt(JSON.parse(body).access_token).sub).toBe(id('pod'))
    }
    expect(world.records().at(-1)).toMatchObject({ details: { podUid } })
    reviewing(world, { authenticated: false, error: 'pod is gone' })
    const answer = await world.post(exchanging(token))
    expect([answer.status, JSON.parse(answer.body).error]).toEqual([400, 'invalid_request'])
    expect(world.records().at(-1)).toMatchObject({ reason: 'subject-review' })
  })
})

test('RFC 7523 §2.1 a token of another issuer is a grant too, once among all grants', async () => {
  const subject = githubClaims(issuer)
  const token = await world.github.sign(subject, githubHeader)
  const answer = await world.post(asserting(token, { client_id: id('deploy') }))
  const body = JSON.parse(answer.body)
  expect(body).toEqual({
    ...{ access_token: expect.any(String), token_type: 'Bearer' },
    ...{ expires_in: 120, scope: 'orders:read' },
  })
  expect(await verifier.verify(body.access_token)).toMatchObject({ subject: id('deploy') })
  expect(world.records().at(-1)).toMatchObject({
    ...{ kind: 'token.issued', grant: 'urn:ietf:params:oauth:grant-type:jwt-bearer' },
    ...{ actor: { id: id('deploy'), auth: 'oidc' }, details: { subjectJti: subject['jti'] } },
  })
  for (const [shown, error] of [
    [asserting(token), 'invalid_grant'],
    [exchanging(token), 'invalid_request'],
  ] as const) {
    const again = await world.post(shown)
    expect([again.status, JSON.parse(again.body).error]).toEqual([400, error])
    expect(world.records().at(-1)).toMatchObject({ reason: 'subject-replayed' })
  }
})

test('T30 RFC 7523 §3.1 a grant that is not good is invalid_grant; alone, and by rule, entry and policy it buys no more', async () => {
  const github = (claims: object = {}, header: object = {}) =>
    world.github.sign(githubClaims(issuer, { ...claims }), { ...header })
  const svid = await world.server.admin('spire.api.server.svid.v1.SVID').unary('MintJWTSVID', {
    ...{ id: { trust_domain: 'example.org', path: '/ci/deploy' }, audience: [issuer] },
  })
  const svidType = { requested_token_type: `${types}:jwt`, audience: orders }
  const asks: readonly (readonly [Values, string, string])[] = [
    [asserting('x.y'), 'invalid_grant', 'token-malformed'],
    [asserting(svid.svid?.token ?? ''), 'invalid_grant', 'subject-issuer'],
    [asserting(await github({ iss: 'https://as.example' })), 'invalid_grant', 'subject-issuer'],
    [asserting(await github({ aud: [issuer, orders] })), 'invalid_grant', 'subject-audience'],
    [asserting(await github({}, { typ: 'at+jwt' })), 'invalid_grant', 'token-type'],
    [asserting(await github({}, { alg: 'PS256' })), 'invalid_grant', 'subject-algorithm'],
    [asserting(await github({ exp: nowSeconds() })), 'invalid_grant', 'subject-expired'],
    [asserting(await github({ jti: undefined })), 'invalid_grant', 'subject-jti'],
    [asserting(await github({ ref: 'refs/heads/next' })), 'invalid_grant', 'subject-rule'],
    [asserting(''), 'invalid_request', 'request-assertion-missing'],
    [asserting(await github({ repository_id: '75' })), 'invalid_client', 'client-unknown'],
    [asserting(await github(), { client_id: id('svid') }), 'invalid_client', 'client-id'],
    [
      asserting(await github(), { client_assertion: 'x' }),
      ...(['invalid_request', 'request-two-mechanisms'] as const),
    ],
    [
      asserting(await github({ repository_id: '76' }), svidType),
      'unauthorized_client',
      'policy-rule',
    ],
    [asserting(await github(), { scope: 'orders:write' }), 'invalid_scope', 'policy-none'],
  ]
  for (const [values, error, reason] of asks) {
    const { body } = await world.post(values)
    expect([reason, JSON.parse(body).error]).toEqual([reason, error])
    expect(body).not.toContain('access_token')
    expect(world.records().at(-1)).toMatchObject({ kind: 'token.denied', reason })
  }
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

test('a jti is that of its issuer: what one has used up another may give out', async () => {
  const jti = 'one-and-the-same'
  const tokens = [
    await world.github.sign(githubClaims(issuer, { jti })),
    await world.gitlab.sign(gitlabClaims(issuer, { jti })),
  ]
  for (const token of tokens) expect((await world.post(exchanging(token))).status).toBe(200)
  for (const token of tokens) expect((await world.post(exchanging(token))).status).toBe(400)
})

test('what is refused for its scope does not use the token up', async () => {
  const token = await world.github.sign(githubClaims(issuer))
  const refused = await world.post(exchanging(token, { scope: 'orders:write' }))
  expect([refused.status, JSON.parse(refused.body).error]).toEqual([400, 'invalid_scope'])
  expect((await world.post(exchanging(token))).status).toBe(200)
})

test('a token ends with the one that it was exchanged for', async () => {
  const exp = nowSeconds() + 40
  const token = await world.github.sign(githubClaims(issuer, { exp }))
  const { access_token } = JSON.parse((await world.post(exchanging(token))).body)
  expect(decodeJwt(access_token).exp).toBe(exp)
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
    'urn:ietf:params:oauth:grant-type:jwt-bearer',
  ])
})

test('rules that are changed hold without a restart, and what a rule has given that is gone is revoked', async () => {
  const [github, ...others] = world.issuers
  const token = async (repository_id: string) =>
    world.post(exchanging(await world.github.sign(githubClaims(issuer, { repository_id }))))
  const before = JSON.parse((await token('74')).body).access_token
  const rules = [{ match: { repository_id: '78' }, as: id('deploy') }]
  world.useIssuers([{ ...github, rules }, ...others])
  await expect.poll(async () => (await token('78')).status).toBe(200)
  expect((await token('74')).status).toBe(400)
  const revoked = { kind: 'revocation.written', jti: decodeJwt(before).jti, reason: 'policy-rule' }
  await expect.poll(() => world.records()).toContainEqual(expect.objectContaining(revoked))
})

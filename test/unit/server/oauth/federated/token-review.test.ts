import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ForeignToken } from '../../../../../server/oauth/federated/foreign-token.ts'
import { federatedSchema, readFederated } from '../../../../../server/oauth/federated/settings.ts'
import { createTokenReview } from '../../../../../server/oauth/federated/token-review.ts'
import { type Log, silentLog } from '../../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'
import {
  accountUid,
  kubernetesClaims,
  type OidcIssuer,
  podUid,
  startOidcIssuer,
} from '../../../../support/oidc-issuer.ts'
import { reasonOf } from '../../../../support/reason-of.ts'
import { trustDomain } from '../../../../support/running-server.ts'

const audience = 'https://as.example.org'
const folder = mkdtempSync(join(tmpdir(), 'cs-review-'))
const path = '/apis/authentication.k8s.io/v1/tokenreviews'
const tokenFile = join(folder, 'token')
let cluster: OidcIssuer
let other: OidcIssuer

beforeAll(async () => {
  ;[cluster, other] = await Promise.all([startOidcIssuer(), startOidcIssuer()])
  writeFileSync(tokenFile, 'reviewer')
})
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await other?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

function tokenOf(of: OidcIssuer, review: object = {}, reach: object = {}): ForeignToken {
  const { url, ca } = of
  const said = {
    ...{ issuer: url, kind: 'kubernetes', audience },
    allowed_networks: ['127.0.0.1', '::1'],
    ...reach,
    token_review: { url, ca_file: ca, token_file: tokenFile, ...review },
    rules: [
      { match: { 'kubernetes.io/serviceaccount/uid': accountUid }, as: 'spiffe://example.org/pod' },
    ],
  }
  const issuers = readFederated(federatedSchema.parse([said]), { issuer: audience, trustDomain })
  const issuer = issuers.get(url)
  if (issuer === undefined) throw new Error('no issuer')
  return {
    ...{ issuer, claims: kubernetesClaims(audience), podUid, jti: 'a' },
    ...{
      subject: 'system:serviceaccount:shop:orders',
      issuedAt: new Date(),
      expiresAt: new Date(),
    },
  }
}

function start(review: object = {}, reach: object = {}, more: Partial<ForeignToken> = {}) {
  const token = { ...tokenOf(cluster, review, reach), ...more }
  const logged: unknown[] = []
  const log: Log = { ...silentLog, warn: (_, fields) => void logged.push(fields?.['error']) }
  const reviewToken = createTokenReview({ clock: new FakeClock(), log })
  const before = cluster.asked.length
  return {
    review: () => reasonOf(reviewToken('eyJ', token)),
    why: () => logged.map((error) => (error as { reason?: unknown }).reason),
    asked: () => cluster.asked.length - before,
  }
}

test('T8 the API server is asked by its CA, where the network is allowed, with a token that is there, or not at all', async () => {
  for (const [review, reach, reason] of [
    [{}, { allowed_networks: [] }, 'federation-address'],
    [{}, { allowed_ports: [443] }, 'federation-port'],
    [{ ca_file: other.ca }, {}, 'federation-certificate'],
    [{ ca_file: join(folder, 'none') }, {}, 'federated-file'],
    [{ token_file: join(folder, 'none') }, {}, 'federated-file'],
  ] as const) {
    const world = start(review, reach)
    expect(await world.review()).toBe('token-review-unavailable')
    expect([world.why(), world.asked()]).toEqual([[reason], 0])
    // Once a minute, however many tokens are shown.
    await world.review()
    expect(world.why()).toHaveLength(1)
  }
})

test('T8 a redirect is no review, nor is an answer that is none', async () => {
  const world = start()
  cluster.answer(path, (_, response) => response.writeHead(307, { location: other.url }).end())
  expect(await world.review()).toBe('token-review-unavailable')
  expect(world.why()).toEqual(['federation-redirect'])
  expect(other.asked).toEqual([])
  for (const text of ['', '{}', '{"status":{}}', '{"status":{"authenticated":true}}']) {
    cluster.answer(path, (_, response) => response.writeHead(201).end(text))
    expect(await world.review()).toMatch(/^(token-review-unavailable|subject-review)$/)
  }
})

test('an account without a UID is not the one that another answer without one is about', async () => {
  const extra = { 'authentication.kubernetes.io/pod-uid': [podUid] }
  const answer = (user: object) => {
    const status = { authenticated: true, audiences: [audience], user: { ...user, extra } }
    cluster.answer(path, (_, response) => response.writeHead(201).end(JSON.stringify({ status })))
  }
  answer({ uid: accountUid })
  expect(await start().review()).toBe('accepted')
  answer({})
  for (const claims of [kubernetesClaims(audience), {}]) {
    expect(await start({}, {}, { claims }).review()).toBe('subject-review')
  }
})

test('the API server is asked whether the token is for this server', async () => {
  const asked = new Promise<string>((resolve) => {
    cluster.answer(path, (request, response) => {
      response.writeHead(403).end()
      resolve(text(request))
    })
  })
  await start().review()
  expect(JSON.parse(await asked)).toEqual({
    ...{ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview' },
    spec: { token: 'eyJ', audiences: [audience] },
  })
})

test('an API server that does not answer is waited for by so many, and keeps nobody from another', async () => {
  const path = '/apis/authentication.k8s.io/v1/tokenreviews'
  const held: ServerResponse[] = []
  cluster.answer(path, (_, response) => void held.push(response))
  other.answer(path, (_, response) => response.writeHead(500).end())
  const review = createTokenReview({ clock: new FakeClock(), log: silentLog })
  const [here, elsewhere] = [tokenOf(cluster), tokenOf(other)]
  const waiting = Array.from({ length: 32 }, () => reasonOf(review('eyJ', here)))
  await expect.poll(() => held.length).toBe(32)
  expect(await reasonOf(review('eyJ', here))).toBe('token-review-busy')
  expect(await reasonOf(review('eyJ', elsewhere))).toBe('token-review-unavailable')
  for (const response of held.splice(0)) response.writeHead(500).end()
  await Promise.all(waiting)
  cluster.answer(path, (_, response) => response.writeHead(500).end())
  expect(await reasonOf(review('eyJ', here))).toBe('token-review-unavailable')
})

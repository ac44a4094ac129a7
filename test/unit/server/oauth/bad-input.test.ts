import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ClientDoor } from '../../../../server/oauth/client-door.ts'
import { createIntrospectionDoor } from '../../../../server/oauth/introspection.ts'
import { tokenExchangeGrant, tokenTypes } from '../../../../server/oauth/token-types.ts'
import type { BundleLookup } from '../../../../src/bundle/bundle.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { TestTrustDomain } from '../../../../src/testing/trust-domain.ts'
import { form, issuer } from '../../../support/oauth.ts'
import { idOf } from '../entry/samples.ts'
import { type OauthWorld, type Proof, send, startWorld, web, wish } from './oauth-world.ts'

type Forge = (domain: TestTrustDomain, world: OauthWorld) => Promise<string>

const claims =
  (changed: Readonly<Record<string, unknown>>): Forge =>
  (domain) =>
    domain.issueJwt(web, issuer, { claims: changed })
const part = (text: string): string => Buffer.from(text).toString('base64url')
/** Another header or payload, by their text, before the signature of the right one. */
const rewritten =
  (change: (header: string, payload: string) => readonly [string, string]): Forge =>
  async (domain) => {
    const [header = '', payload = '', signature = ''] = (await domain.issueJwt(web, issuer)).split(
      '.',
    )
    const text = (one: string): string => Buffer.from(one, 'base64url').toString()
    return [...change(text(header), text(payload)).map(part), signature].join('.')
  }
const inHour = (): number => Math.floor(Date.now() / 1000) + 3600

/** What proves nothing at any door, and the reason on record. */
const assertions: readonly (readonly [string, string, Forge])[] = [
  ['the token endpoint as audience', 'token-audience', claims({ aud: `${issuer}/oauth/token` })],
  ['a slash behind the issuer', 'token-audience', claims({ aud: `${issuer}/` })],
  ['the issuer in other letters', 'token-audience', claims({ aud: issuer.toUpperCase() })],
  ['a blank behind the issuer', 'token-audience', claims({ aud: `${issuer} ` })],
  ['the issuer and its port', 'token-audience', claims({ aud: `${issuer}:443` })],
  ['the issuer and another', 'client-audience', claims({ aud: [issuer, 'https://b.example'] })],
  ['the issuer twice', 'client-audience', claims({ aud: [issuer, issuer] })],
  ['no audience', 'token-audience', claims({ aud: undefined })],
  ['an empty list of audiences', 'token-audience', claims({ aud: [] })],
  ['an audience that is no text', 'token-audience', claims({ aud: [[issuer]] })],
  ['no end', 'token-expiry', claims({ exp: undefined })],
  ['an end that is text', 'token-expiry', claims({ exp: '9999999999' })],
  ['an end in the past', 'token-expired', claims({ exp: 1 })],
  ['a beginning to come', 'token-not-yet-valid', claims({ nbf: inHour() * 2 })],
  ['no subject', 'token-subject', claims({ sub: undefined })],
  ...['SPIFFE://example.org/web', `${web}/`, `${web}/../db`, `${web}%2f`, `${web}?a`, 'web'].map(
    (sub) => [`the subject ${sub}`, 'token-subject', claims({ sub })] as const,
  ),
  ['a trust domain as subject', 'token-subject', claims({ sub: 'spiffe://example.org' })],
  ['an unknown trust domain', 'token-trust-domain', claims({ sub: 'spiffe://nobody.example/web' })],
  [
    'no algorithm',
    'token-algorithm',
    rewritten((h, p) => [h.replace(/"alg":"\w+"/, '"alg":"none"'), p]),
  ],
  ['another key id', 'token-key', rewritten((h, p) => [h.replace(/"kid":"/, '"kid":"x'), p])],
  [
    'the type of an access token',
    'token-type',
    rewritten((h, p) => [h.replace('"JWT"', '"at+jwt"'), p]),
  ],
  [
    'a header with a key in it',
    'token-header',
    rewritten((h, p) => [h.replace('{', '{"jwk":{},'), p]),
  ],
  ['another payload', 'token-signature', rewritten((h, p) => [h, p.replace('/web', '/db')])],
  [
    '__proto__',
    'token-malformed',
    rewritten((h, p) => [h, p.replace('{', '{"__proto__":{"a":1},')]),
  ],
  ['a member twice', 'token-malformed', rewritten((h, p) => [h, p.replace('{', '{"sub":"a",')])],
  [
    'JSON too deep',
    'token-malformed',
    rewritten((h, p) => [h, p.replace('{', `{"a":${'['.repeat(40)}${']'.repeat(40)},`)]),
  ],
  ['no JSON', 'token-malformed', rewritten((h) => [h, 'x'])],
  ['no token', 'token-malformed', async () => 'x'],
  [
    'a token of two parts',
    'token-malformed',
    async (domain) => (await domain.issueJwt(web, issuer)).replace(/\.[^.]*$/, ''),
  ],
  [
    'the public key as secret',
    'token-algorithm',
    async (domain) => {
      const key = domain.bundle.jwtAuthorities[0]
      const signed = `${part(`{"alg":"HS256","kid":"${key?.keyId}"}`)}.${part(
        JSON.stringify({ sub: web, aud: issuer, exp: inHour() }),
      )}`
      const mac = createHmac('sha256', key?.publicKey ?? '')
        .update(signed)
        .digest('base64url')
      return `${signed}.${mac}`
    },
  ],
  [
    'an access token',
    'token-type',
    async (_, world) => {
      const { access_token = '' } = await send(world.server, await world.asserting(web), wish)
      return access_token
    },
  ],
]

/** The doors, and what is asked at each. */
function doorsOf({
  deps,
  ca,
  server,
}: OauthWorld): readonly (readonly [ClientDoor, Record<string, string>])[] {
  const exchange = { grant_type: tokenExchangeGrant, subject_token_type: tokenTypes.accessToken }
  return [
    [server, wish],
    [server, { ...wish, ...exchange, subject_token: 'x' }],
    [createIntrospectionDoor({ ...deps, ca }), { token: 'x' }],
  ]
}

async function refusedEverywhere(world: OauthWorld, proof: Proof, reason: string): Promise<void> {
  for (const [door, values] of doorsOf(world)) {
    const answer = await send(door, proof, values)
    expect([answer.status, answer.error]).toEqual([401, 'invalid_client'])
    expect(answer.text).not.toContain('access_token')
    expect(answer.text).not.toContain(reason)
    expect(world.records().at(-1)).toMatchObject({ kind: 'token.denied', reason })
  }
}

/** Assertions of `example.org` are of a domain whose keys the test has, and those of `partner.example` of another. */
async function start(closing: AsyncDisposableStack) {
  const world: { now?: OauthWorld } = {}
  const domains = new Map<string, TestTrustDomain>()
  const bundles: BundleLookup = {
    bundleOf: (name) => domains.get(name)?.bundle ?? world.now?.bundles.bundleOf(name),
  }
  world.now = await startWorld(closing, { bundles })
  const { clock } = world.now
  for (const name of ['example.org', 'partner.example']) {
    domains.set(name, await TestTrustDomain.create(name, clock))
  }
  const [own, partner] = [...domains.values()]
  return { world: world.now, own: own ?? expect.fail(), partner: partner ?? expect.fail(), domains }
}

describe('T30 proves nothing at token endpoint, exchange or introspection: an assertion with', () => {
  test.for(assertions)('%s (%s)', async ([, reason, forge]) => {
    await using closing = new AsyncDisposableStack()
    const { world, own, domains } = await start(closing)
    if (reason === 'token-type') domains.delete('example.org')
    const assertion = await forge(own, world)
    await refusedEverywhere(world, { assertion }, reason)
  })
})

test('the key of a trust domain speaks for that alone, and its workloads have no entry here', async () => {
  await using closing = new AsyncDisposableStack()
  const { world, partner } = await start(closing)
  const forged = await partner.issueJwt(web, issuer)
  await refusedEverywhere(world, { assertion: forged }, 'token-signature')
  const { chain } = await partner.issueX509(SpiffeId.parse('spiffe://partner.example/web'))
  await refusedEverywhere(world, { chain, id: web }, 'client-id')
})

test('a certificate is judged at each request: it ends while its connection lasts, and a CA is no client', async () => {
  await using closing = new AsyncDisposableStack()
  const world = await startWorld(closing)
  const proof = await world.certified(web)
  expect((await send(world.server, proof, wish)).status).toBe(200)
  const ca = world.ca.state('x509').active?.certificate ?? expect.fail()
  await refusedEverywhere(world, { chain: [ca], id: web }, 'svid-root-path')
  await refusedEverywhere(world, { ...proof, id: idOf('/db') }, 'client-id')
  await world.clock.advance(3_601_000)
  await refusedEverywhere(world, proof, 'svid-chain-expired')
})

describe('RFC 6749 §3.2 is an invalid request at each door:', () => {
  const twice = [
    ...['grant_type', 'scope', 'client_id', 'client_assertion', 'client_assertion_type'],
    ...['subject_token', 'subject_token_type', 'token', 'token_type_hint', 'x'],
  ]
  const bodies: readonly (readonly [string, string, string])[] = [
    ...twice.map(
      (name) => [`${name} twice`, `${name}=a&${name}=a`, 'request-parameter-repeated'] as const,
    ),
    ['a parameter twice, once empty', 'token=&token=a', 'request-parameter-repeated'],
    ['NUL in a name', 'a%00=b', 'request-malformed'],
    ['NUL in a value', 'a=%00', 'request-malformed'],
    [
      'more parameters than any request has',
      form(Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`p${n}`, 'x']))),
      'request-malformed',
    ],
  ]
  test.for(bodies)('%s', async ([, body, reason]) => {
    await using closing = new AsyncDisposableStack()
    const world = await startWorld(closing)
    for (const [door] of doorsOf(world)) {
      const asked = { body, authorization: undefined, chain: [], address: '10.0.0.1:4000' }
      const { status, body: text } = await door.answer(asked)
      expect([status, JSON.parse(text).error]).toEqual([400, 'invalid_request'])
      expect(world.records().at(-1)).toMatchObject({ reason })
    }
  })

  test('names that objects have already are parameters like others, which nobody asks for', async () => {
    await using closing = new AsyncDisposableStack()
    const world = await startWorld(closing)
    const odd = { ['__proto__']: 'x', constructor: 'x', toString: 'x', hasOwnProperty: 'x' }
    const values = { ...wish, ...Object.fromEntries(Object.entries(odd)) }
    const answer = await send(world.server, await world.asserting(web), values)
    expect(answer.status).toBe(200)
  })

  test('two proofs at once, whichever two', async () => {
    await using closing = new AsyncDisposableStack()
    const world = await startWorld(closing)
    const [jwt, x509] = [await world.asserting(web), await world.certified(web)]
    const both = { ...('assertion' in jwt && { client_assertion: jwt.assertion }) }
    for (const [door, values] of doorsOf(world)) {
      const answer = await send(door, x509, { ...values, ...both })
      expect([answer.status, answer.error]).toEqual([400, 'invalid_request'])
      expect(world.records().at(-1)).toMatchObject({ reason: 'request-two-mechanisms' })
    }
  })
})

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { createVerifier } from 'countersign/resource-server'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { spkiOf } from '../../src/x509/key.ts'
import { hmac } from '../spec/jwt-svid/tokens.ts'
import { askDoor, type Door } from '../support/client-doors.ts'
import {
  badIds,
  type ClientWorld,
  identity,
  partner,
  partnerService,
  startClientWorld,
  today,
  web,
} from '../support/client-world.ts'
import { ask, issuer, orders } from '../support/oauth.ts'
import { nowSeconds } from '../support/oidc-issuer.ts'
import { reasonOf } from '../support/reason-of.ts'

let world: ClientWorld

beforeAll(async () => {
  world = await startClientWorld()
})

afterAll(() => world?.stop())

test('T30 at every door a client is known by a JWT-SVID whose audience is the issuer, as text or as a list of one', async () => {
  await world.letInEverywhere({ assertion: world.assertion() })
  await world.letInEverywhere({
    assertion: world.assertion({ claims: { aud: issuer } }),
    clientId: web,
  })
})

const claims = (changed: Readonly<Record<string, unknown>>) => () =>
  world.assertion({ claims: changed })
/** More members, as JSON, in front of those that are right. */
const members = (json: string) => () => world.assertionOf(json)
/** Another payload before the signature of the right one. */
const payload = (text: string) => () =>
  world.assertion().replace(/\.[^.]*\./, `.${Buffer.from(text).toString('base64url')}.`)

const assertions: readonly (readonly [string, string, () => string | Promise<string>])[] = [
  ['the token endpoint as audience', 'token-audience', claims({ aud: `${issuer}/oauth/token` })],
  ['a slash behind the issuer', 'token-audience', claims({ aud: [`${issuer}/`] })],
  [
    'the issuer and its endpoint',
    'client-audience',
    claims({ aud: [issuer, `${issuer}/oauth/token`] }),
  ],
  ['the issuer and another', 'client-audience', claims({ aud: [issuer, 'https://b.example'] })],
  ['the issuer twice', 'client-audience', claims({ aud: [issuer, issuer] })],
  ['the issuer in other letters', 'token-audience', claims({ aud: issuer.toUpperCase() })],
  ['a blank behind the issuer', 'token-audience', claims({ aud: `${issuer} ` })],
  ['the issuer and its port', 'token-audience', claims({ aud: `${issuer}:443` })],
  ['no audience', 'token-audience', claims({ aud: undefined })],
  ['an empty list of audiences', 'token-audience', claims({ aud: [] })],
  ['an audience that is no text', 'token-audience', claims({ aud: [[issuer]] })],
  ['no end', 'token-expiry', claims({ exp: undefined })],
  ['an end that is text', 'token-expiry', claims({ exp: '9999999999' })],
  [
    'an end of a minute ago',
    'token-expired',
    () => world.assertion({ claims: { exp: nowSeconds() - 61 } }),
  ],
  [
    'a beginning in two minutes',
    'token-not-yet-valid',
    () => world.assertion({ claims: { nbf: nowSeconds() + 120 } }),
  ],
  ['no subject', 'token-subject', claims({ sub: undefined })],
  ...[...badIds, `${web}%2f`, `${web}?a`, 'web', 'spiffe://example.org'].map(
    (sub) => [`the subject ${sub}`, 'token-subject', claims({ sub })] as const,
  ),
  ['no algorithm', 'token-algorithm', () => world.assertion({ header: { alg: 'none' } })],
  [
    'the public key as the secret of an HMAC',
    'token-algorithm',
    () =>
      hmac(
        { alg: 'HS256', kid: 'own', typ: 'JWT' },
        decodeJwt(world.assertion()),
        spkiOf(world.keyOf('own')),
      ),
  ],
  ['a key id that nobody has', 'token-key', () => world.assertion({ header: { kid: 'nobody' } })],
  [
    'a key id of another key of the bundle',
    'token-signature',
    async () => {
      const bundle = await world.server
        .admin('spire.api.server.bundle.v1.Bundle')
        .unary('GetBundle', {})
      const other = bundle.jwt_authorities.find(({ key_id }) => key_id !== 'own')
      return world.assertion({ header: { kid: other?.key_id } })
    },
  ],
  [
    'the signature of a stranger',
    'token-signature',
    () => world.assertion({ key: 'stranger', header: { kid: 'own' } }),
  ],
  ['the key of another trust domain', 'token-key', () => world.assertion({ key: 'theirs' })],
  [
    'the key of another trust domain under the id of ours',
    'token-signature',
    () => world.assertion({ key: 'theirs', header: { kid: 'own' } }),
  ],
  ['our key for another trust domain', 'token-key', claims({ sub: partner })],
  [
    'a trust domain that is not known',
    'token-trust-domain',
    claims({ sub: 'spiffe://c.example/web' }),
  ],
  [
    'a key for WIT-SVIDs',
    'token-key',
    () => world.assertion({ key: 'wit', claims: { sub: partner } }),
  ],
  [
    'the type of an access token',
    'token-type',
    () => world.assertion({ header: { typ: 'at+jwt' } }),
  ],
  ['the type of a WIT-SVID', 'token-type', () => world.assertion({ header: { typ: 'wit+jwt' } })],
  [
    'where to fetch its key',
    'token-header',
    () => world.assertion({ header: { jku: 'https://b.example' } }),
  ],
  ['its key', 'token-header', () => world.assertion({ header: { jwk: {} } })],
  ['an access token in its place', 'token-type', async () => accessToken()],
  ['another payload', 'token-signature', payload(`{"sub":"${web}","aud":"${issuer}","exp":9e9}`)],
  ['a member that names a prototype', 'token-malformed', members('{"__proto__":{"a":1}}')],
  ['a member twice', 'token-malformed', members('{"sub":"a"}')],
  ['JSON too deep', 'token-malformed', members(`{"a":${'['.repeat(40)}${']'.repeat(40)}}`)],
  ['no JSON', 'token-malformed', payload('x')],
  ['two parts', 'token-malformed', () => world.assertion().replace(/\.[^.]*$/, '')],
  ['one part', 'token-malformed', () => 'x'],
]

async function accessToken(): Promise<string> {
  const proof = { assertion: world.assertion() }
  const { text } = await askDoor('token', proof, {
    port: world.port,
    web: world.certificate,
    from: '127.0.0.1',
  })
  return (JSON.parse(text) as Token).access_token
}

interface Token {
  readonly access_token: string
}

describe('T30 at no door a client is known by an assertion with', () => {
  test.for(assertions)('%s (%s)', async ([what, reason, forged]) => {
    // Receivers of events may show access tokens, where one is known for what it is and not for an SVID.
    const without = what.includes('access token') ? 'events' : undefined
    await world.refusedEverywhere({ assertion: await forged() }, reason, undefined, without)
  })
})

describe('T30, RFC 8693 §2.2.2 as a subject token no better is a JWT-SVID with', () => {
  test.for(assertions)('%s (%s)', async ([, reason, forged]) => {
    const { status, error, text, reason: written } = await world.shownAsSubject(await forged())
    expect([status, error, written]).toEqual([400, 'invalid_request', reason])
    expect(text).not.toContain(reason)
  })
})

test('RFC 8693 as a subject token a JWT-SVID is as good as an assertion, and one of another trust domain too', async () => {
  const own = await world.shownAsSubject(world.assertion())
  expect([own.status, JSON.parse(own.text).issued_token_type]).toEqual([
    ...[200, 'urn:ietf:params:oauth:token-type:access_token'],
  ])
  const theirs = { key: 'theirs', claims: { sub: partner } }
  const { status, error, reason } = await world.shownAsSubject(world.assertion(theirs))
  expect([status, error, reason]).toEqual([400, 'invalid_target', 'policy-none'])
})

describe('T30 at no door', () => {
  test('a client is known by nothing, by the ID of another, or by two proofs at once', async () => {
    await world.refusedEverywhere({}, 'client-missing')
    const shown = { identity: await identity(world.own) }
    await world.refusedEverywhere({ ...shown, clientId: [] }, 'client-id')
    await world.refusedEverywhere({ ...shown, clientId: `${web}2` }, 'client-id')
    await world.refusedEverywhere({ assertion: world.assertion(), clientId: partner }, 'client-id')
    const invalid = [400, 'invalid_request'] as [number, string]
    const both = { ...shown, assertion: world.assertion() }
    await world.refusedEverywhere(both, 'request-two-mechanisms', invalid)
  })

  test('RFC 6749 §3.2 a proof is taken that is there twice, were it the same', async () => {
    const invalid = [400, 'invalid_request'] as [number, string]
    const reason = 'request-parameter-repeated'
    await world.refusedEverywhere(
      { assertion: world.assertion(), clientId: [web, web] },
      reason,
      invalid,
    )
    await world.refusedEverywhere(
      { identity: await identity(world.own), clientId: [web, web] },
      reason,
      invalid,
    )
    await world.refusedEverywhere(
      { assertion: [world.assertion(), world.assertion()] },
      reason,
      invalid,
    )
  })
})

test('T30 a workload of another trust domain is known by its key for JWT-SVIDs, and gets what a policy gives it: nothing', async () => {
  const { answers } = await world.everywhere({
    assertion: world.assertion({ key: 'theirs', claims: { sub: partner } }),
  })
  expect(answers.map(({ door, error }) => [door, error])).toEqual([
    ['token', 'invalid_target'],
    ['exchange', 'invalid_request'],
    ['introspect', undefined],
    ['revoke', undefined],
    ['feed', 'access_denied'],
    ['acknowledge', 'access_denied'],
    ['events', 'access_denied'],
  ])
})

test('T9 T30 at no door a workload is known whose trust domain has a bundle that is stale, and none goes on', async () => {
  const federation = world.server.admin('spire.api.server.trustdomain.v1.TrustDomain')
  const theirs = { key: 'theirs', claims: { sub: partner } }
  const assertion = (): string => world.assertion(theirs)
  const { port, certificate: web } = world
  const answered = async () =>
    (await askDoor('introspect', { assertion: assertion() }, { port, web, from: '127.0.0.3' }))
      .status
  const trust_domain = 'partner.example'
  const reading = await readFeed(world.assertion({ ...theirs, claims: { sub: partnerService } }))
  await federation.unary('BatchCreateFederationRelationship', {
    federation_relationships: [
      { trust_domain, bundle_endpoint_url: 'https://partner.example/', https_web: {} },
    ],
  })
  await expect.poll(answered).toBe(401)
  await reading.ended
  await world.refusedEverywhere({ assertion: assertion() }, 'bundle-stale')
  const leaf = { uris: [partner], ...today }
  await world.refusedEverywhere(
    { identity: await identity(world.theirs, leaf), clientId: partner },
    'bundle-stale',
  )
  const { status, reason } = await world.shownAsSubject(assertion())
  expect([status, reason]).toEqual([400, 'bundle-stale'])
  // Those of this one are, and theirs again once their bundle is there by an operator’s word alone.
  await world.letInEverywhere({ assertion: world.assertion() })
  await federation.unary('BatchDeleteFederationRelationship', { trust_domains: [trust_domain] })
  await expect.poll(answered).toBe(200)
})

/** Reads the feed by this JWT-SVID; resolves, once there is something of it, with a promise of its end. */
async function readFeed(assertion: string): Promise<{ readonly ended: Promise<unknown> }> {
  const { port, certificate } = world
  const request = get({
    ...{ host: '127.0.0.1', port, path: `/oauth/feed?nonce=${'r'.repeat(22)}`, agent: false },
    ...{ servername: 'as.example.org', ca: readFileSync(certificate.ca) },
    headers: { authorization: `Bearer ${assertion}` },
  })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  onTestFinished(() => void response.destroy())
  expect(response.statusCode).toBe(200)
  const ended = once(response, 'close')
  await once(response, 'data')
  response.resume()
  return { ended }
}

test('T30 a JWT-SVID is no access token: not to ask about, to revoke, to exchange, or to be let in with', async () => {
  const from = '127.0.0.2'
  const svid = world.assertion({ claims: { aud: orders, iss: issuer, jti: 'a', client_id: web } })
  const show = (door: Door, values: Record<string, string>) =>
    askDoor(
      door,
      { assertion: world.assertion() },
      { port: world.port, web: world.certificate, from, values },
    )
  const introspected = await show('introspect', { token: svid })
  expect(JSON.parse(introspected.text)).toEqual({ active: false })
  expect(await show('revoke', { token: svid })).toMatchObject({ status: 200, text: '' })
  const grant = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    ...{ subject_token_type: 'urn:ietf:params:oauth:token-type:access_token', subject_token: svid },
  }
  const exchanged = await show('exchange', { ...grant, resource: orders })
  expect([exchanged.status, exchanged.error]).toEqual([400, 'invalid_request'])
  expect(await reasonOf(verifier().verify(svid))).toBe('token-type')
})

function verifier() {
  const jwks = async () => (await ask(world.port, world.certificate, '/oauth/jwks')).body
  return createVerifier({ issuer, audience: orders, jwks })
}

test('a workload of another trust domain that is listed no more is known at no door, and what it holds ends, without a restart', async () => {
  const { port, certificate: web } = world
  const at = { port, web, from: '127.0.0.4' }
  const theirs = () => world.assertion({ key: 'theirs', claims: { sub: partnerService } })
  const { text } = await askDoor('token', { assertion: theirs() }, at)
  const token = (JSON.parse(text) as Token).access_token
  const introspected = async () => {
    const proof = { assertion: world.assertion() }
    return JSON.parse((await askDoor('introspect', proof, { ...at, values: { token } })).text)
  }
  expect(await introspected()).toMatchObject({ active: true, owner: 'partner' })
  const reading = await readFeed(theirs())
  world.useForeignClients([partner])
  await expect.poll(introspected).toEqual({ active: false })
  await reading.ended
  await world.refusedEverywhere({ assertion: theirs() }, 'client-unknown')
  const { spiffeId, owner } = { spiffeId: partnerService, owner: 'partner' }
  const { jti } = decodeJwt(token)
  for (const record of [
    { kind: 'clients.loaded', details: expect.objectContaining({ clients: 1 }) },
    { kind: 'client.removed', spiffeId, owner, entryId: `foreign:${spiffeId}` },
    { kind: 'revocation.written', spiffeId, owner, jti, reason: 'client-unknown' },
  ]) {
    expect(world.records()).toContainEqual(expect.objectContaining(record))
  }
})

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClientDoor } from '../../../../server/oauth/client-door.ts'
import { createIntrospectionDoor } from '../../../../server/oauth/introspection.ts'
import { assertionForm } from '../../../../server/oauth/spiffe-client-auth.ts'
import { tokenExchangeGrant, tokenTypes } from '../../../../server/oauth/token-types.ts'
import { form } from '../../../support/oauth.ts'
import { type OauthWorld, send, startWorld, web, wish } from './oauth-world.ts'

// Proofs that are none are shown at each door in test/flow/client-assertions.test.ts and client-certificates.test.ts.

const closing = new AsyncDisposableStack()
let world: OauthWorld

beforeAll(async () => {
  world = await startWorld(closing)
})

afterAll(() => closing.disposeAsync())

/** The doors, and what is asked at each. */
function doors(): readonly (readonly [ClientDoor, Record<string, string>])[] {
  const { deps, ca, server } = world
  const exchange = { grant_type: tokenExchangeGrant, subject_token_type: tokenTypes.accessToken }
  return [
    [server, wish],
    [server, { ...wish, ...exchange, subject_token: 'x' }],
    [createIntrospectionDoor({ ...deps, ca }), { token: 'x' }],
  ]
}

test('T30 the authority itself is no client', async () => {
  const authority = world.ca.state('x509').active?.certificate ?? expect.fail()
  for (const [door, values] of doors()) {
    const before = world.records().length
    const answer = await send(door, { chain: [authority], id: web }, values)
    expect([answer.status, answer.error]).toEqual([401, 'invalid_client'])
    expect(world.records().slice(before)).toMatchObject([{ reason: 'svid-root-path' }])
  }
})

test('RFC 6749 §2.3 a secret proves nobody, alone or beside a proof, and who tries one in a header is told which', async () => {
  const proof = await world.asserting(web)
  const assertion = 'assertion' in proof ? assertionForm(proof.assertion) : expect.fail()
  for (const [at, [door, values]] of doors().entries()) {
    const ask = async (more: Record<string, string>, authorization?: string) => {
      const body = form({ ...values, ...more })
      // Each has a share of what is put on record.
      const asked = { body, authorization, chain: [], address: `10.1.0.${at}:4000` }
      const { status, headers, body: text } = await door.answer(asked)
      return [status, JSON.parse(text).error, headers['www-authenticate']]
    }
    const unknown = [401, 'invalid_client', 'Basic realm="oauth"']
    for (const header of ['Basic eDp5', 'basic eDp5', 'Bearer x', '']) {
      expect(await ask({}, header)).toEqual(unknown)
      const both = [400, 'invalid_request', undefined]
      expect(await ask(assertion, header)).toEqual(both)
    }
    expect(await ask({ client_id: web, client_secret: 'x' })).toEqual(unknown)
  }
})

test('RFC 6749 §2.3 half an assertion proves nobody, and beside a certificate it is a second proof', async () => {
  const certificate = await world.certified(web)
  const chain = 'chain' in certificate ? certificate.chain : expect.fail()
  const { client_assertion = '', client_assertion_type = '' } = assertionForm('x.y.z')
  const halves: readonly (readonly [Record<string, string>, string])[] = [
    [{ client_assertion }, 'client-assertion-type'],
    [{ client_assertion_type }, 'token-malformed'],
  ]
  for (const [half, reason] of halves) {
    for (const [door, values] of doors()) {
      const body = form({ ...values, ...half, client_id: web })
      const ask = async (shown: readonly Buffer[]) => {
        // They have a share of what is put on record of their own.
        const asked = { body, authorization: undefined, chain: shown, address: '10.2.0.1:4000' }
        const { status, headers, body: text } = await door.answer(asked)
        // RFC 6749 §5.2: of such a header nobody is told who has not sent one.
        expect(headers).not.toHaveProperty('www-authenticate')
        return [status, JSON.parse(text).error, world.records().at(-1)?.['reason']]
      }
      expect(await ask(chain)).toEqual([400, 'invalid_request', 'request-two-mechanisms'])
      expect(await ask([])).toEqual([401, 'invalid_client', reason])
    }
  }
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
    for (const [door] of doors()) {
      const before = world.records().length
      const asked = { body, authorization: undefined, chain: [], address: '10.0.0.1:4000' }
      const { status, body: text } = await door.answer(asked)
      expect([status, JSON.parse(text).error]).toEqual([400, 'invalid_request'])
      expect(world.records().slice(before)).toMatchObject([{ reason }])
    }
  })
})

test('T23 names that objects have already are parameters like others, which nobody asks for', async () => {
  const odd = { ['__proto__']: 'x', constructor: 'x', toString: 'x', hasOwnProperty: 'x' }
  const values = { ...wish, ...Object.fromEntries(Object.entries(odd)) }
  const answer = await send(world.server, await world.asserting(web), values)
  expect(answer.status).toBe(200)
})

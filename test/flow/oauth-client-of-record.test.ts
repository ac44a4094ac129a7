import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { allowWeb, ask, assertionType, issuer, orders, resourceOf } from '../support/oauth.ts'
import {
  mint,
  mintJwt,
  type TestIdentity,
  trustDomain,
  wireEntry,
} from '../support/running-server.ts'
import { startTokenServer, type TokenServer } from '../support/token-server.ts'

/*
 * oauth4webapi, by the author of jose, speaks OAuth by the letter and refuses answers that do not. All that is asked of
 * it here is how a client proves itself, which a draft describes.
 */

const stock = 'https://stock.example.org'
const id = (path: string): string => `spiffe://${trustDomain}${path}`
const passOn = `
@id("orders-asks-stock")
permit (principal == Workload::"${id('/orders')}", action == Action::"exchangeToken", resource == Api::"${stock}")
when { context.subject == "${id('/web')}" };
`
let server: TokenServer
let as: oauth.AuthorizationServer

beforeAll(async () => {
  const resources = new Map([
    [orders, resourceOf(orders, { servedBy: new Set([SpiffeId.of(trustDomain, '/orders')]) })],
    [stock, resourceOf(stock)],
  ])
  server = await startTokenServer({ policy: allowWeb + passOn, oauth: { resources } })
  const parent = SpiffeId.of(trustDomain, '/node')
  await server.admin('spire.api.server.entry.v1.Entry').unary('BatchCreateEntry', {
    entries: ['/web', '/orders', '/stranger'].map((path) =>
      wireEntry({ path, parent, selectors: ['unix:uid:1'] }),
    ),
  })
  const over = { algorithm: 'oauth2', [oauth.customFetch]: reaching() } as const
  const found = await oauth.discoveryRequest(new URL(issuer), over)
  as = await oauth.processDiscoveryResponse(new URL(issuer), found)
})

afterAll(async () => {
  await server?.remove()
})

interface Sent {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body: unknown
}

/** To the server, wherever its name leads, with this certificate where there is one. */
function reaching(identity?: TestIdentity): (url: string, sent: Sent) => Promise<Response> {
  return async (url, { method, headers, body }) => {
    const form = body instanceof URLSearchParams ? { body: String(body) } : {}
    const sent = { method, headers, identity, ...form }
    const { pathname } = new URL(url)
    const {
      status,
      headers: given,
      body: text,
    } = await ask(server.port, server.certificate, pathname, sent)
    const type = given['content-type']
    return new Response(text === '' ? null : text, {
      status,
      headers: type === undefined ? {} : { 'content-type': type },
    })
  }
}

interface Workload {
  readonly client: oauth.Client
  readonly proof: oauth.ClientAuth
  readonly over: { readonly [oauth.customFetch]: (url: string, sent: Sent) => Promise<Response> }
}

/** A client that proves itself by a JWT-SVID of its own. */
async function byAssertion(path: string): Promise<Workload> {
  const assertion = await mintJwt(server, path, issuer, 60)
  return {
    client: { client_id: id(path) },
    proof: (_as, _client, body) => {
      body.set('client_assertion_type', assertionType)
      body.set('client_assertion', assertion)
    },
    over: { [oauth.customFetch]: reaching() },
  }
}

/** One that does so by its certificate: RFC 8705 as the library has it. */
async function byCertificate(path: string): Promise<Workload> {
  const over = { [oauth.customFetch]: reaching(await mint(server, path, 60)) }
  return { client: { client_id: id(path) }, proof: oauth.TlsClientAuth(), over }
}

async function tokenFor({ client, proof, over }: Workload): Promise<oauth.TokenEndpointResponse> {
  const wish = { resource: orders, scope: 'orders:read' }
  const answer = await oauth.clientCredentialsGrantRequest(as, client, proof, wish, over)
  return oauth.processClientCredentialsResponse(as, client, answer)
}

async function introspect(
  { client, proof, over }: Workload,
  token: string,
  options: { readonly requestJwtResponse?: boolean } = {},
): Promise<oauth.IntrospectionResponse> {
  const asked = { ...over, ...options }
  const answer = await oauth.introspectionRequest(as, client, proof, token, asked)
  const read = await oauth.processIntrospectionResponse(as, client, answer)
  if (options.requestJwtResponse === true) {
    await oauth.validateApplicationLevelSignature(as, answer, over)
  }
  return read
}

/** What the library, as a resource server, reads in a token (RFC 9068 §4). */
function readAt(audience: string, token: string): Promise<oauth.JWTAccessTokenClaims> {
  const request = new Request(audience, { headers: { authorization: `Bearer ${token}` } })
  return oauth.validateJwtAccessToken(as, request, audience, { [oauth.customFetch]: reaching() })
}

describe.each([
  ['spiffe_jwt', byAssertion],
  ['spiffe_x509', byCertificate],
] as const)('oauth4webapi with %s', (_, workload) => {
  test('RFC 6749 §4.4, RFC 9068: gets a token, and reads it as a service would', async () => {
    const { access_token, expires_in, scope } = await tokenFor(await workload('/web'))
    expect({ expires_in, scope }).toEqual({ expires_in: expect.any(Number), scope: 'orders:read' })
    const reading = readAt(orders, access_token)
    if (workload === byAssertion) {
      expect(await reading).toMatchObject({ sub: id('/web'), client_id: id('/web'), aud: orders })
      await expect(readAt(stock, access_token)).rejects.toThrow()
    } else {
      // It asks for a proof that a request of the web cannot hold: the token is bound.
      await expect(reading).rejects.toThrow()
    }
  })

  test('RFC 7662, RFC 9701: asks what a token is, plain and signed; a stranger learns nothing', async () => {
    const { access_token } = await tokenFor(await workload('/web'))
    const live = { active: true, sub: id('/web'), aud: orders, scope: 'orders:read' }
    expect(await introspect(await workload('/web'), access_token)).toMatchObject(live)
    const service = await workload('/orders')
    expect(await introspect(service, access_token, { requestJwtResponse: true })).toMatchObject(
      live,
    )
    expect(await introspect(await workload('/stranger'), access_token)).toEqual({ active: false })
  })

  test('RFC 8693: passes a request on for whom it came; a stranger cannot', async () => {
    const { access_token } = await tokenFor(await byAssertion('/web'))
    const exchange = async ({ client, proof, over }: Workload) => {
      const answer = await oauth.genericTokenEndpointRequest(
        as,
        client,
        proof,
        'urn:ietf:params:oauth:grant-type:token-exchange',
        {
          subject_token: access_token,
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          resource: stock,
          scope: 'orders:read',
        },
        over,
      )
      return oauth.processGenericTokenEndpointResponse(as, client, answer)
    }
    const next = await exchange(await workload('/orders'))
    const expected = { active: true, sub: id('/web'), act: { sub: id('/orders') }, aud: stock }
    expect(await introspect(await workload('/orders'), next.access_token)).toMatchObject(expected)
    await expect(exchange(await workload('/stranger'))).rejects.toMatchObject({
      error: 'invalid_request',
    })
  })

  test('RFC 7009: revokes its token, which is then not active; that of another it cannot', async () => {
    const { access_token } = await tokenFor(await workload('/web'))
    const revoke = async ({ client, proof, over }: Workload): Promise<void> => {
      const answer = await oauth.revocationRequest(as, client, proof, access_token, over)
      await oauth.processRevocationResponse(answer)
    }
    await revoke(await workload('/stranger')).catch(() => {})
    const owner = await workload('/web')
    expect(await introspect(owner, access_token)).toMatchObject({ active: true })
    await revoke(owner)
    expect(await introspect(owner, access_token)).toEqual({ active: false })
  })
})

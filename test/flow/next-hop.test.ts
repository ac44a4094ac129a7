import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer } from 'countersign/http'
import { OauthClient } from 'countersign/oauth-client'
import { accessOf, createVerifier, requireAccessToken } from 'countersign/resource-server'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { bundleFromWire } from '../../src/rpc/convert.ts'
import { matchTrustDomain } from '../../src/spiffe-id/matchers.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { x509SvidFrom } from '../../src/svid/x509-svid.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { runHere } from '../support/command.ts'
import { allowWeb, issuer, orders, resourceOf } from '../support/oauth.ts'
import { PROMPT_MS } from '../support/prompt.ts'
import { reasonOf } from '../support/reason-of.ts'
import { mint, someAgent, trustDomain, wireEntry } from '../support/running-server.ts'
import { startTokenServer, type TokenServer } from '../support/token-server.ts'
import { TestSource } from '../unit/mtls/test-source.ts'

const stock = 'https://stock.example.org'
const id = (path: string): string => `spiffe://${trustDomain}${path}`
const authorize = matchTrustDomain(trustDomain)
const passOn = `
@id("orders-asks-stock")
permit (principal == Workload::"${id('/orders')}", action == Action::"exchangeToken", resource == Api::"${stock}")
when { ["${id('/web')}", "${id('/shop')}"].contains(context.subject) };
@id("shop")
permit (principal == Workload::"${id('/shop')}", action == Action::"issueToken", resource == Api::"${orders}");
`
let server: TokenServer
let bundle: Bundle

beforeAll(async () => {
  const servedBy = (path: string) => new Set([SpiffeId.of(trustDomain, path)])
  const scopeMap = new Map([['stock:read', ['orders:read']]])
  const resources = new Map([
    [orders, resourceOf(orders, { servedBy: servedBy('/orders') })],
    [
      stock,
      resourceOf(stock, {
        ...{ scopes: ['stock:read'], servedBy: servedBy('/stock'), requireCnf: true },
        scopeMap,
      }),
    ],
  ])
  server = await startTokenServer({ policy: allowWeb + passOn, oauth: { resources } })
  const paths = ['/web', '/shop', '/orders', '/stock']
  await server.admin('spire.api.server.entry.v1.Entry').unary('BatchCreateEntry', {
    entries: paths.map((path) => wireEntry({ path, parent: someAgent })),
  })
  const admin = server.admin('spire.api.server.bundle.v1.Bundle')
  bundle = bundleFromWire(await admin.unary('GetBundle', {}))
})

afterAll(async () => {
  await server?.remove()
})

/** Its own SVID, and its client. */
interface Workload {
  readonly source: TestSource
  readonly client: OauthClient
}

async function workload(path: string): Promise<Workload> {
  const { chain, privateKey } = await mint(server, path)
  const source = new TestSource(x509SvidFrom([...chain], privateKey), bundle)
  const at = (where: string): string => `https://localhost:${server.port}/oauth/${where}`
  const client = new OauthClient({
    ...{ issuer, source, authorize, ca: [readFileSync(server.certificate.ca, 'utf8')] },
    endpoints: {
      ...{ token: at('token'), introspection: at('introspect'), keys: at('jwks') },
      ...{ feed: at('feed'), feedKeys: at('feed-keys') },
    },
  })
  onTestFinished(() => client.close())
  return { source, client }
}

async function serve(source: TestSource, handler: RequestListener): Promise<string> {
  const service = createServer({ source, authorize }, handler).listen(0, '127.0.0.1')
  await once(service, 'listening')
  onTestFinished(() => {
    service.closeAllConnections()
    service.close()
  })
  return `https://127.0.0.1:${(service.address() as AddressInfo).port}/`
}

function guardOf({ client }: Workload, audience: string, scope: string) {
  const { jwks, introspect } = client
  const revocations = client.revocations()
  const verifier = createVerifier({ issuer, audience, jwks, introspect, revocations })
  return { verifier, revocations, guard: requireAccessToken({ verifier, scopes: [scope] }) }
}

async function entryOf(path: string): Promise<string> {
  const { entries } = await server.admin('spire.api.server.entry.v1.Entry').unary('ListEntries', {})
  return entries.find(({ spiffe_id }) => spiffe_id?.path === path)?.id ?? ''
}

/** From this caller by way of /orders to /stock, step by step. */
async function chainFrom(path: string) {
  const [caller, middle, last] = [
    await workload(path),
    await workload('/orders'),
    await workload('/stock'),
  ]
  const [ofOrders, ofStock] = [
    guardOf(middle, orders, 'orders:read'),
    guardOf(last, stock, 'stock:read'),
  ]
  await eventually(() => ofStock.revocations.fresh() && ofOrders.revocations.fresh())
  const certificateOf = ({ source }: Workload) => ({ certificate: source.svid().chain[0] })
  const { token } = await caller.client.call(orders, 'orders:read').token()
  const access = await ofOrders.verifier.verify(token, certificateOf(caller))
  return {
    token,
    passOn: () => middle.client.onBehalfOf(access).call(stock, 'stock:read').token(),
    /** What the last one says of a token that was passed on. */
    verdict: (passedOn: { readonly token: string }): Promise<string> =>
      reasonOf(ofStock.verifier.verify(passedOn.token, certificateOf(middle))),
  }
}

async function revoke(kind: string, id: string): Promise<void> {
  await server
    .admin('countersign.revocation.v1.Revocation')
    .unary('Revoke', { kind, id, reason: 'test' })
}

test('T26 what was passed on for a caller ends with the caller’s entry, though the token names another one', async () => {
  const { passOn, verdict } = await chainFrom('/shop')
  const passedOn = await passOn()
  expect(await verdict(passedOn)).toBe('accepted')
  await revoke('entry', await entryOf('/shop'))
  await eventually(async () => (await verdict(passedOn)) === 'token-revoked')
})

test('T26 what was exchanged for a token in the moment in which that was revoked ends with it', async () => {
  const { token, passOn, verdict } = await chainFrom('/web')
  const passedOn = await passOn()
  await revoke('token', decodeJwt(token).jti ?? '')
  await eventually(async () => (await verdict(passedOn)) === 'token-revoked', PROMPT_MS)
})

test('T26 what was exchanged by the next key for a token by a key that is revoked ends with that key', async () => {
  const authority = async (...line: readonly string[]): Promise<{ readonly id: string }> => {
    const admin = ['--admin-socket', server.config.adminSocket, '-o', 'json']
    return JSON.parse((await runHere(['authority', 'oauth', ...line, ...admin])).stdout)
  }
  const { token, passOn, verdict } = await chainFrom('/web')
  const { id: next } = await authority('prepare')
  await authority('activate', '--id', next)
  const passedOn = await passOn()
  const [first, second] = [token, passedOn.token].map((one) => decodeProtectedHeader(one).kid)
  expect([first === next, second]).toEqual([false, next])
  // Keys are asked for again no sooner than five seconds after the last time.
  await eventually(async () => (await verdict(passedOn)) === 'accepted')
  await revoke('key', first ?? '')
  await eventually(async () => (await verdict(passedOn)) === 'token-revoked')
})

test('T26 a service asks the next one on behalf of its caller, and what was passed on ends with the service that did it', async () => {
  const [web, middle, last] = [
    await workload('/web'),
    await workload('/orders'),
    await workload('/stock'),
  ]
  const ofStock = guardOf(last, stock, 'stock:read')
  const stockUrl = await serve(last.source, (request, response) => {
    void ofStock.guard(request, response, () => {
      const { subject, actors, bound } = accessOf(request)
      response.end(JSON.stringify({ subject, actors, bound }))
    })
  })
  const ofOrders = guardOf(middle, orders, 'orders:read')
  const ordersUrl = await serve(middle.source, (request, response) => {
    void ofOrders.guard(request, response, () => {
      const hop = middle.client.onBehalfOf(accessOf(request)).call(stock, 'stock:read')
      const answer = hop.fetch(stockUrl).then((said) => said.text())
      answer.then(
        (text) => response.end(text),
        ({ reason }) => response.end(JSON.stringify({ reason })),
      )
    })
  })
  await eventually(() => ofStock.revocations.fresh() && ofOrders.revocations.fresh())
  const ask = async (): Promise<unknown> => {
    const answer = await web.client.call(orders, 'orders:read').fetch(ordersUrl)
    return answer.json()
  }
  expect(await ask()).toEqual({ subject: id('/web'), actors: [id('/orders')], bound: true })

  // On its own account the service in the middle may not.
  await expect(middle.client.call(stock, 'stock:read').token()).rejects.toMatchObject({
    reason: 'token-refused',
  })

  const ids = [await entryOf('/orders')]
  await server.admin('spire.api.server.entry.v1.Entry').unary('BatchDeleteEntry', { ids })
  await eventually(async () => {
    const { reason } = (await ask()) as { readonly reason?: unknown }
    return reason === 'token-revoked'
  })
})

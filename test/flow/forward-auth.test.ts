import { readFileSync } from 'node:fs'
import { OauthClient } from 'countersign/oauth-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runForwardAuth } from '../../src/forward-auth/main.ts'
import type { ForwardAuthSettings } from '../../src/forward-auth/settings.ts'
import { endpointsOf } from '../../src/oauth-client/endpoints.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { allowWeb, issuer, orders, resourceOf } from '../support/oauth.ts'
import { agentIdOf, type RunningAgent, startAgent } from '../support/running-agent.ts'
import { mintJwt, someAgent, trustDomain, wireEntry } from '../support/running-server.ts'
import { startTokenServer, type TokenServer } from '../support/token-server.ts'
import { askSocket, route, socketPath } from '../unit/forward-auth/running-forward-auth.ts'

let server: TokenServer
let agent: RunningAgent

beforeAll(async () => {
  const servedBy = new Set([SpiffeId.of(trustDomain, '/gate')])
  const resources = new Map([[orders, resourceOf(orders, { servedBy })]])
  const policy = allowWeb + allowWeb.replaceAll('web', 'shop')
  server = await startTokenServer({ policy, oauth: { resources } })
  agent = await startAgent(server)
  const parent = await agentIdOf(server)
  const gate = wireEntry({ path: '/gate', parent, selectors: [`unix:uid:${process.getuid?.()}`] })
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', {
      entries: [gate, ...['/web', '/shop'].map((path) => wireEntry({ path, parent: someAgent }))],
    })
  expect(results.map(({ status }) => status?.code)).toEqual([0, 0, 0])
})

afterAll(async () => {
  await agent?.stop()
  await server?.remove()
})

async function newToken(path: string): Promise<string> {
  const svid = await mintJwt(server, path, issuer)
  const client = new OauthClient({
    ...{ issuer, ca: [readFileSync(server.certificate.ca, 'utf8')] },
    endpoints: { token: `https://localhost:${server.port}/oauth/token` },
    jwtSource: { fetchJwtSvid: async () => ({ token: svid }) },
  })
  const { token } = await client.call(orders, 'orders:read').token()
  await client.close()
  return token
}

test('T26 a proxy is told within the second what was revoked, and lets nobody in while that is not known', async () => {
  const { token, ...others } = endpointsOf(`https://localhost:${server.port}`, {})
  const socket = socketPath()
  const httpAddress = { host: '127.0.0.1', port: await freePort() }
  const settings: ForwardAuthSettings = {
    ...{ issuer, issuerCa: readFileSync(server.certificate.ca, 'utf8'), workloadApi: agent.socket },
    spiffeId: undefined,
    endpoints: { token, ...others },
    ...{ revocations: true, introspect: true, logLevel: 'error', httpAddress },
    doors: [{ proxy: 'nginx', socket, uids: new Set([process.getuid?.() ?? 0]) }],
    services: new Map([
      [
        'orders',
        { resource: orders, requireBound: false, routes: [route('/', ['orders:read'], 'GET')] },
      ],
    ]),
  }
  const stop = new AbortController()
  const ready = Promise.withResolvers<unknown>()
  const hooks = { log: silentLog, onReady: ready.resolve }
  const ended = runForwardAuth(settings, stop.signal, hooks)
  try {
    await Promise.race([ready.promise, ended])
    const headers = { 'countersign-method': 'GET', 'countersign-uri': '/' }
    const ask = async (authorization: string) =>
      askSocket(socket, '/orders', { ...headers, authorization })
    const bearers = ['/web', '/shop'].map(async (path) => `Bearer ${await newToken(path)}`)
    const [web, shop] = (await Promise.all(bearers)) as [string, string]
    expect(await ask(web)).toMatchObject({
      status: 200,
      headers: { 'countersign-subject': `spiffe://${trustDomain}/web` },
    })
    const entries = server.admin('spire.api.server.entry.v1.Entry')
    const { entries: all } = await entries.unary('ListEntries', {})
    const deleted = all.find(({ spiffe_id }) => spiffe_id?.path === '/web')
    await entries.unary('BatchDeleteEntry', { ids: [deleted?.id ?? ''] })
    await eventually(async () => (await ask(web)).reason === 'token-revoked')
    expect((await ask(shop)).status).toBe(200)
    const monitoring = `http://127.0.0.1:${httpAddress.port}`
    // T25 who may read figures has no decision by it, whatever proxy it says to be.
    const claimed = { headers: { ...headers, authorization: shop } }
    expect((await fetch(`${monitoring}/orders`, claimed)).status).toBe(404)
    const metrics = await (await fetch(`${monitoring}/metrics`)).text()
    expect(metrics).not.toContain(trustDomain)
    const age = Number(/^countersign_forward_auth_feed_age_seconds (.*)$/m.exec(metrics)?.[1])
    expect(age).toBeGreaterThan(0)
    await server.stop()
    await eventually(async () => (await ask(shop)).reason === 'revocation-unknown')
    // What is known to be revoked is refused all the same.
    expect(await ask(web)).toMatchObject({ status: 401, reason: 'token-revoked' })
  } finally {
    stop.abort()
    await ended
  }
})

import { readFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { Agent } from 'node:https'
import { promisify } from 'node:util'
import { Client, credentials, ServerCredentials, status } from '@grpc/grpc-js'
import { requireAccessToken } from 'countersign/grpc'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../src/testing/eventually.ts'
import { orders } from '../support/oauth.ts'
import { type OpenAnswer, openAnswer, openHttp2Answer } from '../support/open-answer.ts'
import { type OrdersService, startOrdersService } from '../support/orders-service.ts'
import { PROMPT_MS } from '../support/prompt.ts'
import { someAgent, wireEntry } from '../support/running-server.ts'
import { postAs, type TokenServer } from '../support/token-server.ts'
import { frameworks, type Service, startFramework } from '../unit/resource-server/frameworks.ts'
import {
  type OpenMethod,
  openCall,
  openMethods,
  openServer,
} from '../unit/resource-server/streams.ts'

let server: TokenServer
let ordersService: OrdersService

beforeAll(async () => {
  // What is open ends where the feed is stale, which it is not to be on a machine that stands still for some seconds.
  ordersService = await startOrdersService({ feedBy: 'jwt-svid', staleAfterMs: 5000 })
  server = ordersService.server
  await server.admin('spire.api.server.entry.v1.Entry').unary('BatchCreateEntry', {
    entries: [wireEntry({ path: '/web', parent: someAgent })],
  })
})

afterAll(async () => {
  ordersService?.stop()
  await server?.remove()
})

const post = (path: string, values: Record<string, string>) => postAs(server, '/web', path, values)

async function newToken(): Promise<string> {
  const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  const { body } = await post('/oauth/token', wish)
  return (JSON.parse(body) as { access_token: string }).access_token
}

interface Asked extends Service {
  /** An answer that has begun and does not end. */
  begin(token: string): Promise<OpenAnswer>
}

async function startService(name: string): Promise<Asked> {
  const { certificate } = server
  const tls = { cert: readFileSync(certificate.certificate), key: readFileSync(certificate.key) }
  const service = await startFramework(
    name,
    { verifier: ordersService.verifier, scopes: ['orders:read'] },
    tls,
  )
  const ca = readFileSync(certificate.ca)
  const at = `https://localhost:${service.port}`
  const agent = new Agent({ ca })
  const session = service.http2 ? connectHttp2(at, { ca }) : undefined
  onTestFinished(async () => {
    agent.destroy()
    session?.destroy()
    await service.close()
  })
  return {
    ...service,
    async begin(token) {
      const answer = session
        ? openHttp2Answer(session, '/open', token)
        : await openAnswer(service.port, agent, '/open', token)
      await eventually(() => answer.text === 'begun')
      return answer
    },
  }
}

describe.each(Object.keys(frameworks))('%s', (name) => {
  test('T26 an open answer is cut off when its token is revoked, and the one beside it goes on', async () => {
    const { begin, say } = await startService(name)
    const [token, other] = [await newToken(), await newToken()]
    const [cut, kept] = [await begin(token), await begin(other)]
    expect((await post('/oauth/revoke', { token })).status).toBe(200)
    await eventually(() => cut.end === 'cut off', PROMPT_MS)
    say(', goes on')
    await eventually(() => kept.text === 'begun, goes on')
    expect([cut.text, kept.end]).toEqual(['begun', undefined])
  })
})

test.each(Object.keys(openMethods) as OpenMethod[])(
  'T26 gRPC %s, of which nothing is heard, ends when its token is revoked, and the one beside it goes on',
  async (path) => {
    const methods = { [path]: ['orders:read'] }
    const { server: service, calls } = openServer(
      requireAccessToken({ verifier: ordersService.verifier, methods }),
    )
    const { ca, certificate, key } = server.certificate
    const pair = { cert_chain: readFileSync(certificate), private_key: readFileSync(key) }
    const tls = ServerCredentials.createSsl(null, [pair])
    const port = await promisify(service.bindAsync.bind(service))('localhost:0', tls)
    const channel = new Client(`localhost:${port}`, credentials.createSsl(readFileSync(ca)))
    onTestFinished(() => {
      channel.close()
      service.forceShutdown()
    })
    const [token, other] = [await newToken(), await newToken()]
    const [call, kept] = [openCall(channel, path, token), openCall(channel, path, other)]
    await eventually(() => calls.length === 2)
    expect((await post('/oauth/revoke', { token })).status).toBe(200)
    await eventually(() => call.heard.length > 0, PROMPT_MS)
    expect(call.heard).toEqual([[status.UNAUTHENTICATED, 'token-revoked']])
    expect(kept.heard).toEqual([])
  },
)

test('T26 an open answer is cut off when the service hears no more of what is revoked', async () => {
  const { begin } = await startService('Express 5')
  const answer = await begin(await newToken())
  await server.stop()
  await eventually(() => answer.end === 'cut off')
  server = await server.restart()
})

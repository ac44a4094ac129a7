import { once } from 'node:events'
import type { IncomingMessage, RequestListener, Server } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { Agent } from '../../../src/mtls/http-client.ts'
import { createServer, type HttpServerOptions } from '../../../src/mtls/http-server.ts'
import { peerOf } from '../../../src/mtls/peer.ts'
import { openHttpClient } from '../../../src/mtls/undici.ts'
import { matchId, matchPath, matchTrustDomain } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../src/svid/x509-svid.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { bundleOf, type Made, NOW, reasonOfAsync, root } from '../../support/x509-fixtures.ts'
import { svidOf, TestSource } from './test-source.ts'

const trustDomain = TrustDomain.parse('here.test')
const member = matchTrustDomain(trustDomain)
const serverId = SpiffeId.parse('spiffe://here.test/server')
const lifeMs = 60_000
const short = { notAfter: new Date(NOW.getTime() + lifeMs) }
let ca: Made
let foreignCa: Made
let server: X509Svid
let client: X509Svid

beforeAll(async () => {
  ca = await root('ca')
  foreignCa = await root('ca')
  server = await svidOf(ca, serverId)
  client = await svidOf(ca, 'spiffe://here.test/client', short)
})

const sourceOf = (svid: X509Svid | undefined): TestSource =>
  new TestSource(svid, bundleOf('here.test', ca))

const greet: RequestListener = (request, response) =>
  void response.end(`hello ${peerOf(request).spiffeId}`)

interface Service {
  readonly port: number
  readonly source: TestSource
  readonly clock: FakeClock
  readonly server: Server
}

async function serve(
  options: Partial<HttpServerOptions> = {},
  onRequest: RequestListener = greet,
): Promise<Service> {
  const source = sourceOf(server)
  const clock = new FakeClock(NOW)
  // No connection ends for lying idle.
  const http = { keepAliveTimeout: 0 }
  const listening = createServer({ source, authorize: member, clock, http, ...options }, onRequest)
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  onTestFinished(() => void listening.close().closeAllConnections())
  return { port: (listening.address() as AddressInfo).port, source, clock, server: listening }
}

function agentOf(source: TestSource, clock = new FakeClock(NOW)): Agent {
  const agent = new Agent({ source, authorize: matchId(serverId), clock })
  onTestFinished(() => agent.destroy())
  return agent
}

async function get(port: number, agent: Agent): Promise<{ body: string; reused: boolean }> {
  const request = httpsRequest({ host: '127.0.0.1', port, agent })
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const body = await text(response)
  // The agent takes a connection back in the turn after the end of its response.
  await new Promise(setImmediate)
  return { body, reused: request.reusedSocket }
}

async function closed(connections: () => Promise<number>): Promise<void> {
  await expect.poll(connections).toBe(0)
}

const connectionsOf = (of: Server) => (): Promise<number> =>
  new Promise((resolve) => of.getConnections((_, count) => resolve(count)))

describe('HTTPS', () => {
  test('a handler learns who asks, and the client is sure of whom it asked', async () => {
    const { port } = await serve()
    const agent = agentOf(sourceOf(client))
    expect(await get(port, agent)).toEqual({ body: `hello ${client.spiffeId}`, reused: false })
    expect(await get(port, agent)).toEqual({ body: `hello ${client.spiffeId}`, reused: true })
    const other = new Agent({
      source: sourceOf(client),
      authorize: matchId(SpiffeId.parse('spiffe://here.test/other')),
      clock: new FakeClock(NOW),
    })
    expect(await reasonOfAsync(() => get(port, other))).toBe('peer-unauthorized')
  })

  test.each([
    ['X509-28 of a foreign CA', async () => svidOf(foreignCa, 'spiffe://here.test/client')],
    ['with the ID of another path', async () => svidOf(ca, 'spiffe://here.test/elsewhere', short)],
    [
      'that has expired',
      async () =>
        svidOf(ca, 'spiffe://here.test/client', { notAfter: new Date(NOW.getTime() - 2000) }),
    ],
  ])('a client %s is refused before HTTP reads a byte', async (_, made) => {
    const ask = vi.fn()
    const refusals: unknown[] = []
    const log = { info: (_: string, fields?: object) => void refusals.push(fields) }
    const authorize = matchPath(trustDomain, (path) => path.startsWith('/client'))
    const { port, server: listening } = await serve({ authorize, log: log as never }, ask)
    listening.on('clientError', ask)
    await expect(get(port, agentOf(sourceOf(await made())))).rejects.toThrow()
    expect(ask).not.toHaveBeenCalled()
    expect(refusals).toHaveLength(1)
  })

  test('a new handshake shows the renewed SVID, and what is under way ends in good order', async () => {
    const held = Promise.withResolvers<() => void>()
    const { port, source } = await serve({}, (request, response) => {
      if (request.url === '/held') held.resolve(() => greet(request, response as never))
      else greet(request, response as never)
    })
    const ours = sourceOf(client)
    const agent = agentOf(ours)
    const slow = httpsRequest({ host: '127.0.0.1', port, agent, path: '/held' })
    slow.end()
    const answered = once(slow, 'response') as Promise<[IncomingMessage]>
    const answer = await held.promise
    await get(port, agent)
    ours.replace(await svidOf(ca, 'spiffe://here.test/renewed'))
    source.replace(await svidOf(ca, serverId))
    expect(await get(port, agent)).toEqual({
      body: 'hello spiffe://here.test/renewed',
      reused: false,
    })
    answer()
    const [response] = await answered
    expect(await text(response)).toBe(`hello ${client.spiffeId}`)
    await new Promise(setImmediate)
    expect(slow.socket?.destroyed).toBe(true)
  })

  test("T27 a kept connection ends by the time that the client's SVID does", async () => {
    const { port, clock, server: listening } = await serve()
    const agent = agentOf(sourceOf(client))
    await get(port, agent)
    await clock.advance(lifeMs / 2 - 1000)
    expect((await get(port, agent)).reused).toBe(true)
    await clock.advance(lifeMs / 2 + 1000)
    await closed(connectionsOf(listening))
    expect(clock.now() < new Date(client.expiresAt.getTime() + 1000)).toBe(true)
  })

  test('a connection that is near its end is not kept for another request, by either side', async () => {
    const { port, clock, server: listening } = await serve()
    const agent = agentOf(sourceOf(client))
    await get(port, agent)
    await clock.advance(lifeMs / 2)
    expect((await get(port, agent)).reused).toBe(true)
    await closed(connectionsOf(listening))
    const ours = new FakeClock(NOW)
    const careful = agentOf(sourceOf(client), ours)
    const other = await serve()
    await get(other.port, careful)
    await ours.advance(lifeMs / 2 - 2000)
    expect((await get(other.port, careful)).reused).toBe(true)
    await ours.advance(2000)
    await closed(connectionsOf(other.server))
    expect((await get(other.port, careful)).reused).toBe(false)
  })

  test("T27 a kept connection ends by the time that the client's own SVID does, on its side too", async () => {
    const { port, server: listening } = await serve()
    const clock = new FakeClock(NOW)
    await get(port, agentOf(sourceOf(client), clock))
    await clock.advance(lifeMs)
    await closed(connectionsOf(listening))
  })

  test("T26 a kept connection ends when the peer's authority leaves its bundle", async () => {
    const { port, source, server: listening } = await serve()
    await get(port, agentOf(sourceOf(client)))
    source.trust(bundleOf('here.test', ca, foreignCa))
    expect(await connectionsOf(listening)()).toBe(1)
    source.trust(bundleOf('here.test', foreignCa))
    await closed(connectionsOf(listening))
  })

  test('WLA-28 connections end when the identity that they were made with is withdrawn, on either side', async () => {
    const { port, source, server: listening } = await serve()
    await get(port, agentOf(sourceOf(client)))
    source.replace(undefined)
    await closed(connectionsOf(listening))
    source.replace(server)
    const ours = sourceOf(client)
    const agent = agentOf(ours)
    await get(port, agent)
    ours.replace(undefined)
    await closed(connectionsOf(listening))
    expect(await reasonOfAsync(() => get(port, agent))).toBe('no-svid')
  })

  test('a server that is closed listens to its source no more', async () => {
    const { port, source, server: listening } = await serve()
    await get(port, agentOf(sourceOf(client)))
    listening.close().closeAllConnections()
    await once(listening, 'close')
    await expect.poll(() => source.listeners).toBe(0)
  })
})

test('undici: fetch and request, and connections that a renewal leaves behind', async () => {
  const { port, server: listening } = await serve()
  const source = sourceOf(client)
  const clock = new FakeClock(NOW)
  await using http = await openHttpClient({ source, authorize: matchId(serverId), clock })
  const url = `https://127.0.0.1:${port}/`
  expect(await (await http.fetch(url)).text()).toBe(`hello ${client.spiffeId}`)
  expect(await connectionsOf(listening)()).toBe(1)
  source.replace(await svidOf(ca, 'spiffe://here.test/renewed'))
  const { body } = await http.request(url)
  expect(await body.text()).toBe('hello spiffe://here.test/renewed')
  await expect.poll(connectionsOf(listening)).toBe(1)
  source.trust(bundleOf('here.test', foreignCa))
  await expect(http.fetch(url)).rejects.toThrow()
})

test('undici: no request begins on a connection in the last seconds of the server’s SVID', async () => {
  const held = Promise.withResolvers<() => void>()
  const {
    port,
    source,
    server: listening,
  } = await serve({}, (request, response) => {
    if (request.url === '/held') held.resolve(() => greet(request, response as never))
    else greet(request, response as never)
  })
  source.replace(await svidOf(ca, serverId, short))
  const clock = new FakeClock(NOW)
  const options = { source: sourceOf(client), authorize: matchId(serverId), clock }
  await using http = await openHttpClient(options)
  const url = `https://127.0.0.1:${port}/`
  await (await http.fetch(url)).text()
  const slow = http.fetch(`${url}held`)
  const answer = await held.promise
  await clock.advance(lifeMs / 2)
  await (await http.fetch(url)).text()
  expect(await connectionsOf(listening)()).toBe(2)
  answer()
  expect(await (await slow).text()).toBe(`hello ${client.spiffeId}`)
  await expect.poll(connectionsOf(listening)).toBe(1)
})

test('an agent that is destroyed keeps no connection that it was about to make', async () => {
  const { port, server: listening } = await serve()
  const agent = agentOf(sourceOf(client))
  const answered = get(port, agent)
  agent.destroy()
  await answered
  await closed(connectionsOf(listening))
})

test('the peer of a connection that nobody checked is an error', () => {
  expect(() => peerOf({ socket: {} as never })).toThrow(CountersignError)
})

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { type AddressInfo, connect, Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Agent } from 'countersign/http'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { runForwardAuth } from '../../../src/forward-auth/main.ts'
import { type ForwardAuthSettings, readForwardAuth } from '../../../src/forward-auth/settings.ts'
import { endpointsOf } from '../../../src/oauth-client/endpoints.ts'
import type { HostPort } from '../../../src/runtime/config-value.ts'
import { type Log, silentLog } from '../../../src/runtime/log.ts'
import { matchId } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { FakeWorkloadApi } from '../../../src/testing/fake-workload-api.ts'
import { X509Source } from '../../../src/workload-api/x509-source.ts'
import { toPem } from '../../../src/x509/pem.ts'
import { pipelined } from '../../support/pipelined.ts'
import { root } from '../../support/x509-fixtures.ts'
import { boundTo } from '../resource-server/access-fixtures.ts'
import {
  type Answer,
  answerOf,
  askSocket,
  type Headers,
  orders,
  type Running,
  route,
  runOne,
  socketPath,
} from './running-forward-auth.ts'

const clock = new FakeClock()
const own = new Set([process.getuid?.() ?? 0])
const web = 'spiffe://example.org/web'
let shown: Buffer
let other: Buffer

beforeAll(async () => {
  shown = (await root('one')).der
  other = (await root('other')).der
})

const encoded = (der: Buffer): string => encodeURIComponent(toPem('CERTIFICATE', der))

async function tokenOf({ issuer }: Running, claims: Record<string, unknown> = {}): Promise<string> {
  const who = { sub: web, client_id: web, aud: orders, scope: 'orders:read' }
  return `Bearer ${await issuer.token({ ...who, ...claims })}`
}

describe('nginx', () => {
  const nginx = async (said = {}) => {
    const path = socketPath()
    const running = await runOne({ proxy: 'nginx', socket: path, uids: own }, clock, said)
    const ask = (headers: Headers, target = '/orders'): Promise<Answer> =>
      askSocket(path, target, {
        'countersign-method': 'GET',
        'countersign-uri': '/orders?page=2',
        ...headers,
      })
    return { running, path, ask }
  }

  test('hears who asks where the token will do for the route that it tells of', async () => {
    const { running, ask } = await nginx()
    const act = { sub: 'spiffe://example.org/shop', act: { sub: 'spiffe://example.org/gate' } }
    const authorization = await tokenOf(running, { scope: 'orders:read other', act })
    expect(await ask({ authorization })).toMatchObject({
      status: 200,
      headers: {
        'countersign-subject': web,
        'countersign-client-id': web,
        'countersign-scope': 'orders:read other',
        'countersign-actors': 'spiffe://example.org/shop spiffe://example.org/gate',
        'cache-control': 'no-store',
      },
    })
  })

  test('hears 401 or 403 and the challenge where it will not', async () => {
    const { running, ask } = await nginx()
    const authorization = await tokenOf(running)
    const challenge = (text: string) => ({ 'www-authenticate': text })
    expect(await ask({})).toMatchObject({ status: 401, headers: challenge('Bearer') })
    expect(await ask({ authorization: 'Bearer x.y.z' })).toMatchObject({
      ...{ status: 401, reason: 'token-malformed' },
      headers: challenge('Bearer error="invalid_token"'),
    })
    const put = { 'countersign-method': 'PUT', 'countersign-uri': '/orders/7' }
    expect(await ask({ authorization, ...put })).toMatchObject({
      ...{ status: 403, reason: 'token-scope' },
      headers: challenge('Bearer error="insufficient_scope", scope="orders:read orders:write"'),
    })
    const elsewhere = await tokenOf(running, { aud: 'https://other.example.org' })
    expect(await ask({ authorization: elsewhere })).toMatchObject({ reason: 'token-audience' })
    expect(await ask({ authorization: [authorization, authorization] })).toMatchObject({
      ...{ status: 401, reason: 'token-repeated' },
    })
    expect(await ask({ authorization: await tokenOf(running, { sub: 'a\nb' }) })).toMatchObject({
      ...{ status: 403, reason: 'token-name' },
    })
  })

  test('T25 lets nobody through by a method, path or service that no route has, however it is written', async () => {
    const { running, ask } = await nginx()
    const authorization = await tokenOf(running, { scope: 'orders:read orders:write' })
    const asked = async (method: string, uri: string, target?: string) =>
      (await ask({ authorization, 'countersign-method': method, 'countersign-uri': uri }, target))
        .reason
    expect(await asked('GET', '/%6frders')).toBeUndefined()
    for (const [method, uri, target] of [
      ['POST', '/orders'],
      ['get', '/orders'],
      ['GET', '/orders/'],
      ['GET', '/Orders'],
      ['GET', '/'],
      ['DELETE', '/orders/7/lines'],
      ['GET', '/orders', '/billing'],
    ] as const) {
      expect(await asked(method, uri, target)).toBe('route-unknown')
    }
    expect(await asked('GET', '/orders/../admin')).toBe('path-dot-segment')
    expect(await asked('GET', '//orders')).toBe('path-empty-segment')
    expect(await asked('GET', 'orders')).toBe('path-form')
  })

  test('is refused where it does not say what it asks about, says it twice, or sends a body', async () => {
    const { running, ask, path } = await nginx()
    const authorization = await tokenOf(running)
    const lacking = [{ 'countersign-method': undefined }, { 'countersign-uri': undefined }]
    for (const headers of lacking) {
      expect(await ask({ authorization, ...headers })).toMatchObject({
        ...{ status: 401, reason: 'proxy-request' },
      })
    }
    for (const name of ['countersign-method', 'countersign-uri', 'countersign-certificate']) {
      expect(await ask({ authorization, [name]: ['/orders', '/orders'] })).toMatchObject({
        ...{ status: 401, reason: 'proxy-header' },
      })
    }
    for (const target of ['/', '/ORDERS', '/orders.', '/../orders']) {
      expect((await ask({ authorization }, target)).status).toBe(401)
    }
    for (const framing of [{}, { 'transfer-encoding': 'chunked' }]) {
      const headers = { authorization, ...framing }
      expect((await askSocket(path, '/orders', headers, 'POST', 'x')).status).toBe(400)
    }
  })

  test('T30 lets a bound token through with the certificate that it tells of, and with no other', async () => {
    const { running, ask } = await nginx()
    const authorization = await tokenOf(running, boundTo(shown))
    const asked = (certificate?: string) =>
      ask({ authorization, 'countersign-certificate': certificate })
    expect((await asked(encoded(shown))).status).toBe(200)
    for (const certificate of [encoded(other), undefined, '']) {
      expect(await asked(certificate)).toMatchObject({ status: 401, reason: 'token-binding' })
    }
    for (const certificate of [
      'x',
      '%',
      encoded(shown).repeat(2),
      encodeURIComponent(
        `${toPem('CERTIFICATE', shown).slice(0, 90)}\n-----END CERTIFICATE-----\n`,
      ),
    ]) {
      expect(await asked(certificate)).toMatchObject({ status: 401, reason: 'proxy-certificate' })
    }
    // Headers of other names are nobody's business here.
    const pem = encoded(shown)
    const forged = { 'x-client-cert': pem, 'client-cert': `:${shown.toString('base64')}:` }
    expect(await ask({ authorization, ...forged })).toMatchObject({ reason: 'token-binding' })
  })

  test('a service that takes bound tokens alone takes no other', async () => {
    const routes = [route('/orders', [], 'GET')]
    const service = { resource: orders, requireBound: true, routes }
    const { running, ask } = await nginx({ services: new Map([['orders', service]]) })
    const authorization = await tokenOf(running)
    expect(await ask({ authorization })).toMatchObject({ reason: 'token-binding' })
  })

  test('a token for one service opens no other', async () => {
    const billing = 'https://billing.example.org'
    const routes = [route('/orders', [], 'GET')]
    const services = new Map(
      Object.entries({ orders, billing }).map(([name, resource]) => [
        name,
        { resource, requireBound: false, routes },
      ]),
    )
    const { running, ask } = await nginx({ services })
    for (const [aud, target, other] of [
      [orders, '/orders', '/billing'],
      [billing, '/billing', '/orders'],
    ] as const) {
      const authorization = await tokenOf(running, { aud })
      expect((await ask({ authorization }, target)).status).toBe(200)
      expect(await ask({ authorization }, other)).toMatchObject({ reason: 'token-audience' })
    }
  })

  test('hears nothing where what it says is more than 48 KiB, or comes too slowly', async () => {
    const { running, ask, path } = await nginx()
    const authorization = await tokenOf(running)
    expect((await ask({ authorization, 'x-a': 'a'.repeat(40 << 10) })).status).toBe(200)
    expect((await ask({ authorization, 'x-a': 'a'.repeat(48 << 10) })).status).toBe(431)
    const slow = connect(path)
    slow.write('GET /orders HTTP/1.1\r\nhost: a\r\n')
    await once(slow.resume(), 'close')
    expect(slow.bytesRead).toBeLessThan(200)
  })

  test('T25 nobody but the user that it runs under may ask', async () => {
    const path = socketPath()
    await runOne({ proxy: 'nginx', socket: path, uids: new Set([4_000_000]) }, clock)
    const socket = connect(path)
    await once(socket, 'close')
    expect(socket.bytesRead).toBe(0)
  })

  test('T12 of many questions in one piece a few are answered, and the connection is ended', async () => {
    const path = socketPath()
    await runOne({ socket: path, uids: own, proxy: 'nginx' }, clock)
    const question = 'GET /orders HTTP/1.1\r\nhost: a\r\n\r\n'
    expect(await pipelined(connect(path), question, 200)).toBeLessThan(20)
  })

  test('T12 a proxy has so many connections to a socket and no more; one that ends makes room', async () => {
    const path = socketPath()
    await runOne({ proxy: 'nginx', socket: path, uids: own }, clock)
    const held = Array.from({ length: 1024 }, () => connect(path))
    onTestFinished(() => {
      for (const socket of held) socket.destroy()
    })
    await Promise.all(held.map((socket) => once(socket, 'connect')))
    const status = (): Promise<number | undefined> =>
      askSocket(path, '/orders', {}).then(
        (answer) => answer.status,
        () => undefined,
      )
    expect(await status()).toBeUndefined()
    held[0]?.destroy()
    await expect.poll(status).toBeTypeOf('number')
  })

  test('hears 503 while the issuer’s keys cannot be had, and the log says why', async () => {
    const { running, ask } = await nginx({
      endpoints: endpointsOf('https://localhost:1', {}),
    })
    expect(await ask({ authorization: await tokenOf(running) })).toMatchObject({
      ...{ status: 503, reason: 'jwks-unavailable' },
    })
    const message = 'the authorization server cannot be asked: ECONNREFUSED'
    expect(running.warned.slice(1)).toEqual([
      {
        resource: orders,
        error: expect.objectContaining({ cause: expect.objectContaining({ message }) }),
      },
    ])
  })
})

describe('Envoy', () => {
  async function envoy(proxyId: string, said: Partial<ForwardAuthSettings> = {}) {
    const api = await FakeWorkloadApi.start({ clock })
    onTestFinished(() => api.close())
    await api.grant('spiffe://example.org/envoy')
    await api.grant('spiffe://example.org/authz')
    const source = await X509Source.open({ endpoint: api.endpoint, clock })
    onTestFinished(() => source.close())
    const address = { host: '127.0.0.1', port: 0 }
    const running = await runOne(
      { proxy: 'envoy', address, ids: [SpiffeId.parse(proxyId)] },
      clock,
      { workloadApi: api.endpoint.replace('unix://', ''), ...said },
    )
    const authorize = matchId(said.spiffeId ?? SpiffeId.parse('spiffe://example.org/envoy'))
    const agent = new Agent({ source, authorize, clock })
    onTestFinished(() => agent.destroy())
    const { port } = running.at as HostPort
    const ask = async (method: string, path: string, headers: Record<string, string>) => {
      const sent = request({ host: '127.0.0.1', port, agent, method, path, headers })
      sent.end()
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      return answerOf(response)
    }
    return { running, ask }
  }

  test('is answered over mutual TLS, about the method and path of the request itself, whatever headers say', async () => {
    const { running, ask } = await envoy('spiffe://example.org/envoy')
    const authorization = await tokenOf(running, boundTo(shown))
    const certificate = { 'countersign-certificate': encoded(shown) }
    const headers = { authorization, ...certificate }
    expect(await ask('GET', '/orders/orders?x=1', headers)).toMatchObject({ status: 200 })
    const forged = { 'countersign-method': 'GET', 'countersign-uri': '/orders' }
    expect(await ask('GET', '/orders/admin', { ...headers, ...forged })).toMatchObject({
      ...{ status: 403, reason: 'route-unknown' },
    })
    expect(await ask('POST', '/orders/orders', { ...headers, ...forged })).toMatchObject({
      reason: 'route-unknown',
    })
    expect(await ask('GET', '/orders', headers)).toMatchObject({ status: 400, reason: 'path-form' })
    expect(await ask('GET', '/orders/orders', { authorization })).toMatchObject({
      reason: 'token-binding',
    })
  })

  test('T13 connections that cannot be taken, such as for want of descriptors, do not end the process', async () => {
    const listening = vi.spyOn(Server.prototype, 'listen')
    onTestFinished(() => listening.mockRestore())
    const { running, ask } = await envoy('spiffe://example.org/envoy')
    const { port } = running.at as HostPort
    const door = listening.mock.contexts.findLast(
      (server) => ((server as Server).address() as AddressInfo | null)?.port === port,
    ) as Server
    const error = new Error('accept EMFILE')
    for (let times = 0; times < 3; times += 1) door.emit('error', error)
    expect(running.warned.slice(1)).toEqual([{ error }, { error }, { error }])
    expect(await ask('GET', '/orders/orders', {})).toMatchObject({ status: 401 })
  })

  test('hears whom it asks, by the one of several SVIDs that is set', async () => {
    const authz = SpiffeId.parse('spiffe://example.org/authz')
    const { running, ask } = await envoy('spiffe://example.org/envoy', { spiffeId: authz })
    const headers = { authorization: await tokenOf(running) }
    expect(await ask('GET', '/orders/orders', headers)).toMatchObject({ status: 200 })
  })

  test('T25 nobody but those that are listed may ask', async () => {
    const { ask } = await envoy('spiffe://example.org/another')
    await expect(ask('GET', '/orders/orders', {})).rejects.toThrow()
  })

  test('T26 the log says once a minute why the feed and the keys cannot be had, however often that is tried', async () => {
    const { running, ask } = await envoy('spiffe://example.org/envoy', {
      ...{ revocations: true, endpoints: endpointsOf('https://localhost:1', {}) },
    })
    const authorization = await tokenOf(running)
    const reasons = () =>
      running.warned.map((said) => (said as { error: { reason: string } }).error.reason).sort()
    for (let at = 0; at < 8; at += 1) {
      await ask('GET', '/orders/orders', { authorization })
      await clock.advance(5100)
    }
    const said = reasons()
    expect(said).toContain('jwks-unavailable')
    expect(said.some((reason) => reason.startsWith('feed-'))).toBe(true)
    // By time that a test makes, a feed may be found silent before it is found unreachable.
    expect(said).toEqual([...new Set(said)])
    await clock.advance(60_000)
    await eventually(async () => {
      await clock.advance(1000)
      return reasons().some((reason, at, all) => all.indexOf(reason) !== at)
    })
  })

  test('T26 the log warns at the start of an endpoint that hears of no revocation, and of no other', async () => {
    const warned = async (said: Partial<ForwardAuthSettings>) =>
      (await envoy('spiffe://example.org/envoy', said)).running.warned[0]
    const fix = expect.stringMatching(/set revocations .* served_by/)
    expect(await warned({})).toEqual({ fix })
    expect(await warned({ introspect: true })).toBeUndefined()
    expect(await warned({ revocations: true })).not.toEqual({ fix })
  })

  test('T26 the issuer is asked about each token where that is set', async () => {
    const { running, ask } = await envoy('spiffe://example.org/envoy', { introspect: true })
    const authorization = await tokenOf(running)
    running.issuer.answer = { status: 200, body: '{"active":true}' }
    expect((await ask('GET', '/orders/orders', { authorization })).status).toBe(200)
    running.issuer.answer = { status: 200, body: '{"active":false}' }
    expect(await ask('GET', '/orders/orders', { authorization })).toMatchObject({
      ...{ status: 401, reason: 'token-revoked' },
    })
    running.issuer.answer = { status: 503, body: '' }
    expect(await ask('GET', '/orders/orders', { authorization })).toMatchObject({
      ...{ status: 503, reason: 'revocation-unknown' },
    })
  })
})

test('waits for an agent that is not there yet, and says so', async () => {
  const missing = socketPath()
  const said = Promise.withResolvers<unknown>()
  const log: Log = {
    ...{ ...silentLog, child: () => log },
    warn: (message, fields) => said.resolve([message, fields?.['error']]),
  }
  const stop = new AbortController()
  const settings = readForwardAuth(
    fileURLToPath(new URL('../../../deploy/envoy/forward-auth.yaml', import.meta.url)),
  )
  const ended = runForwardAuth({ ...settings, workloadApi: missing }, stop.signal, { log })
  expect(await said.promise).toEqual([
    'the Workload API does not answer as it should',
    expect.objectContaining({ reason: 'socket-absent' }),
  ])
  stop.abort(new DOMException('stopped', 'AbortError'))
  await expect(ended).rejects.toThrow('stopped')
})

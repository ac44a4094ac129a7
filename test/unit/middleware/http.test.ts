import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { jwtCheck, type RequireJwtSvidOptions } from '../../../src/middleware/jwt-check.ts'
import { requireJwtSvid } from '../../../src/middleware/node.ts'
import { refusalOf } from '../../../src/middleware/refusal.ts'
import { matchId } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { TestTrustDomain } from '../../../src/testing/trust-domain.ts'
import { reasonOf, reasonOfAsync } from '../../support/x509-fixtures.ts'
import { frameworks, type Service } from './frameworks.ts'

const audience = 'https://api.example.org'
const caller = SpiffeId.parse('spiffe://example.org/caller')
const stranger = SpiffeId.parse('spiffe://example.org/stranger')
const clock = new FakeClock()
const home = await TestTrustDomain.create('example.org', clock)
const forger = await TestTrustDomain.create('example.org', clock)
const options: RequireJwtSvidOptions = {
  audience,
  bundles: { bundleOf: (name) => (name === home.name ? home.bundle : undefined) },
  authorize: matchId(caller),
  clock,
}

interface Answer {
  readonly status: number | undefined
  readonly challenge: string | undefined
  /** The ID that was served, or the reason. */
  readonly said: string
}

describe.each(Object.keys(frameworks))('%s', (name) => {
  const served: string[] = []
  let service: Service

  beforeAll(async () => {
    const start = frameworks[name]
    if (start === undefined) throw new TypeError(name)
    service = await start(options, (spiffeId) => served.push(spiffeId))
  })

  afterAll(() => service.close())

  async function ask(authorizations: readonly string[], path = '/'): Promise<Answer> {
    const sent = request({ host: '127.0.0.1', port: service.port, path, agent: false })
    if (authorizations.length > 0) sent.setHeader('authorization', authorizations)
    sent.end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const body = await text(response)
    const refused =
      response.headers['content-type']?.includes('json') && response.statusCode !== 200
    return {
      status: response.statusCode,
      challenge: response.headers['www-authenticate'],
      said: refused ? (JSON.parse(body) as { reason: string }).reason : body,
    }
  }

  const bearer = async (...args: Parameters<TestTrustDomain['issueJwt']>): Promise<string> =>
    `Bearer ${await home.issueJwt(...args)}`

  test('a caller who may is known to the handler by its verified ID', async () => {
    const expected = { status: 200, challenge: undefined, said: caller }
    expect(await ask([await bearer(caller, audience)])).toEqual(expected)
    expect(await ask([(await bearer(caller, audience)).replace('Bearer ', 'bEARER  ')])).toEqual(
      expected,
    )
    expect(served).toEqual([caller, caller])
  })

  test('it is known by its header however that is written, and by no value of another', async () => {
    const headers = { 'X-Asked': 'authorization', AUTHORIZATION: await bearer(caller, audience) }
    const sent = request({ host: '127.0.0.1', port: service.port, agent: false, headers }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    expect([response.statusCode, await text(response)]).toEqual([200, caller])
  })

  test('T33 nobody else reaches the handler', async () => {
    served.length = 0
    const refused = (said: string): Answer => ({
      ...{ status: 401, challenge: 'Bearer error="invalid_token"', said },
    })
    const none = { status: 401, challenge: 'Bearer', said: 'token-missing' }
    const good = await bearer(caller, audience)
    const forged = `Bearer ${await forger.issueJwt(caller, audience)}`
    const exp = clock.now().getTime() / 1000 - 120
    const late = await bearer(caller, audience, { claims: { exp } })
    expect(await ask([])).toEqual(none)
    expect(await ask(['Basic dXNlcjpwYXNz'])).toEqual(none)
    expect(await ask(['Bearer'])).toEqual(refused('token-malformed'))
    expect(await ask(['Bearer x.y.z'])).toEqual(refused('token-malformed'))
    expect(await ask([good.slice(0, -5)])).toEqual(refused('token-malformed'))
    expect(await ask([forged])).toEqual(refused('token-signature'))
    expect(await ask([late])).toEqual(refused('token-expired'))
    expect(await ask([await bearer(caller, `${audience}/`)])).toEqual(refused('token-audience'))
    expect(await ask([await bearer(stranger, audience)])).toEqual({
      ...{ status: 403, challenge: undefined, said: 'peer-unauthorized' },
    })
    expect(await ask([good, forged])).toEqual({
      ...{ status: 400, challenge: 'Bearer error="invalid_request"', said: 'token-repeated' },
    })
    expect(served).toEqual([])
  })

  test('a handler that nothing stands in front of learns of nobody, whatever the request says', async () => {
    expect(await ask([await bearer(caller, audience)], '/open')).toMatchObject({ status: 500 })
  })
})

test.each(['Express 5', 'Connect', 'node:http', 'Fastify 5'])(
  'a fault of this side is an answer of %s, and neither lets anybody in nor ends the process',
  async (name) => {
    const served: string[] = []
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    onTestFinished(() => warned.mockRestore())
    const mishap = new TypeError('a bug of whoever wrote authorize')
    const faulty = { ...options, authorize: () => fail(mishap) }
    const service = await frameworks[name]?.(faulty, (spiffeId) => served.push(spiffeId))
    if (service === undefined) throw new TypeError(name)
    onTestFinished(() => void service.close())
    const headers = { authorization: `Bearer ${await home.issueJwt(caller, audience)}` }
    const sent = request({ host: '127.0.0.1', port: service.port, headers, agent: false }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    expect([response.statusCode, await text(response)]).toEqual([500, ''])
    expect(served).toEqual([])
    expect(warned).toHaveBeenCalledWith(mishap)
  },
)

test('who was answered meanwhile, as the check took too long, is not answered again', async () => {
  const checked: Promise<void>[] = []
  const guard = requireJwtSvid(options)
  const server = createServer((incoming, response) => {
    checked.push(guard(incoming, response, () => expect.fail('it was let in')))
    response.writeHead(503).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const sent = request({ host: '127.0.0.1', port, agent: false }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  expect(response.resume().statusCode).toBe(503)
  expect(await Promise.all(checked)).toEqual([undefined])
})

function fail(error: Error): never {
  throw error
}

test('a decision that is a promise, or anything but true, lets nobody in', async () => {
  const check = jwtCheck({ ...options, authorize: (async () => false) as never })
  const token = await home.issueJwt(caller, audience)
  expect(await reasonOfAsync(() => check([`Bearer ${token}`]))).toBe('peer-unauthorized')
})

test('a service without a name of its own cannot be made', () => {
  expect(reasonOf(() => requireJwtSvid({ ...options, audience: [] }))).toBe('audience-missing')
})

test('RFC 9110 §10.2.3 nobody is asked to come back before it may be worth it', () => {
  const away = (retryAfterMs?: number) =>
    refusalOf(new CountersignError('unavailable', 'away', { reason: 'away', retryAfterMs })).headers
  expect(away(1001)).toMatchObject({ 'retry-after': '2' })
  expect(away(1000)).toMatchObject({ 'retry-after': '1' })
  expect(away()).toMatchObject({ 'retry-after': '5' })
})

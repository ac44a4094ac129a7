import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'countersign/http'
import { OauthClient } from 'countersign/oauth-client'
import { accessOf, requireAccessToken } from 'countersign/resource-server'
import { decodeJwt } from 'jose'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../../../src/runtime/clock.ts'
import { matchId } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../src/svid/x509-svid.ts'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import {
  bundleOf,
  type Made,
  NOW,
  reasonOf,
  reasonOfAsync,
  root,
} from '../../support/x509-fixtures.ts'
import { svidOf, TestSource } from '../mtls/test-source.ts'
import { type IssuerServer, startIssuer } from './test-issuer-server.ts'

const stock = 'https://stock.example.org'
const clientId = SpiffeId.parse('spiffe://here.test/client')
const stockId = SpiffeId.parse('spiffe://here.test/stock')
let ca: Made
let stockSvid: X509Svid

beforeAll(async () => {
  ca = await root('ca')
  stockSvid = await svidOf(ca, stockId)
})

const sourceOf = (svid: X509Svid) => new TestSource(svid, bundleOf('here.test', ca))

interface Stand {
  readonly clock: FakeClock
  readonly issuer: IssuerServer
  readonly source: TestSource
  readonly client: OauthClient
  /** Of the service that is asked. */
  readonly url: string
  renew(): Promise<X509Svid>
}

async function stand({ lifeSeconds = 300, svidSeconds = 3600 } = {}): Promise<Stand> {
  const clock = new FakeClock(NOW)
  const issuer = await startIssuer(clock, lifeSeconds)
  const next = () =>
    svidOf(ca, clientId, { notAfter: new Date(clock.now().getTime() + svidSeconds * 1000) })
  const source = sourceOf(await next())
  const options = {
    endpoints: { token: issuer.url },
    ca: issuer.ca,
    clock,
    authorize: matchId(stockId),
  }
  const client = new OauthClient({ issuer: issuer.issuer, source, ...options })
  onTestFinished(() => client.close())
  const guard = requireAccessToken({
    verifier: issuer.verifier({ audience: stock, requireBound: true }),
    scopes: ['stock:read'],
  })
  const service = createServer(
    { source: sourceOf(stockSvid), authorize: matchId(clientId), clock },
    (request, response) => {
      if (request.url === '/moved') response.writeHead(307, { location: '/' }).end()
      else void guard(request, response, () => response.end(accessOf(request).subject))
    },
  ).listen(0, '127.0.0.1')
  await once(service, 'listening')
  onTestFinished(() => {
    service.closeAllConnections()
    service.close()
  })
  const { port } = service.address() as AddressInfo
  return {
    ...{ clock, issuer, source, client, url: `https://127.0.0.1:${port}/` },
    async renew() {
      const svid = await next()
      source.replace(svid)
      return svid
    },
  }
}

test('T30 a service is asked with a token that is bound to the SVID of the connection, got once for all who wait', async () => {
  const { client, url, issuer } = await stand()
  const hop = client.call(stock, 'stock:read')
  const answers = await Promise.all([hop.fetch(url), hop.fetch(url), hop.fetch(url)])
  expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(Array(3).fill(clientId))
  expect(issuer.asked.map((form) => Object.fromEntries(form))).toEqual([
    {
      ...{ grant_type: 'client_credentials', resource: stock, scope: 'stock:read' },
      client_id: clientId,
    },
  ])
})

test('RFC 8693 §2.1 for whom a request came, the token of that request is exchanged, and kept for it alone', async () => {
  const { client, issuer } = await stand()
  const verifier = issuer.verifier({ audience: 'https://shop.example.org' })
  const shown = async (jti: string) => {
    const of = { aud: 'https://shop.example.org', sub: 'spiffe://here.test/a', client_id: 'a' }
    return verifier.verify(await issuer.token({ ...of, jti }))
  }
  const one = await shown('one')
  const hop = client.onBehalfOf(one).call(stock, 'stock:read')
  const { token } = await hop.token()
  expect((await hop.token()).token).toBe(token)
  await client
    .onBehalfOf(await shown('two'))
    .call(stock, 'stock:read')
    .token()
  await client.call(stock, 'stock:read').token()
  expect(issuer.asked.map((form) => form.get('grant_type'))).toEqual([
    'urn:ietf:params:oauth:grant-type:token-exchange',
    'urn:ietf:params:oauth:grant-type:token-exchange',
    'client_credentials',
  ])
  const [first] = issuer.asked
  expect(decodeJwt(first?.get('subject_token') ?? '').jti).toBe('one')
  expect(first?.get('subject_token_type')).toBe('urn:ietf:params:oauth:token-type:access_token')
  expect(reasonOf(() => client.onBehalfOf({ ...one }))).toBe('access-unknown')
})

describe('when the SVID is renewed', () => {
  test('no call is lost: each token is fetched anew before, over six lives of 60 s', {
    timeout: 120_000,
  }, async () => {
    const { client, clock, issuer, renew, url } = await stand({ svidSeconds: 60 })
    // The issuer takes its time, so that calls are made while tokens are on their way.
    issuer.hold = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    const hop = client.call(stock, 'stock:read')
    const lost: string[] = []
    let calls = 0
    let over = false
    // Before the client is closed: its refusals come at once, and a loop of them leaves nobody a turn.
    onTestFinished(() => {
      over = true
    })
    const work = async (): Promise<void> => {
      while (!over) {
        const said = await hop
          .fetch(url)
          .then(async (answer) => `${answer.status} ${await answer.text()}`, String)
        calls += 1
        if (said !== `200 ${clientId}`) lost.push(said)
        // Where keys are made slowly, thousands of calls would take the machine from whoever makes them.
        await systemClock.sleep(2)
      }
    }
    const working = [work(), work(), work()]
    for (let life = 0; life < 6; life += 1) {
      for (let step = 0; step < 6; step += 1) {
        const before = calls
        await eventually(() => calls > before + 2)
        await clock.advance(5000)
      }
      await renew()
    }
    over = true
    await Promise.all(working)
    expect(lost).toEqual([])
    expect(calls).toBeGreaterThan(100)
    // One for the first SVID and each renewal, and one where its life is half over.
    expect(issuer.asked.length).toBeLessThan(16)
  })

  test('the SVID before serves while the issuer is away, until it ends', async () => {
    const { client, clock, issuer, renew, source, url } = await stand({ svidSeconds: 60 })
    const hop = client.call(stock, 'stock:read')
    const first = await hop.token()
    issuer.answer = { status: 503, body: '{}' }
    await clock.advance(30_000)
    const renewed = await renew()
    await eventually(() => issuer.asked.length > 1)
    expect((await hop.token()).token).toBe(first.token)
    expect((await hop.fetch(url)).status).toBe(200)
    await clock.advance(30_000)
    expect(await reasonOfAsync(() => hop.token())).toBe('issuer-unavailable')
    issuer.answer = undefined
    expect((await hop.token()).svid).toBe(renewed)
    expect((await hop.fetch(url)).status).toBe(200)
    source.replace(undefined)
    expect(await reasonOfAsync(() => hop.fetch(url))).toBe('no-svid')
  })

  test('a token that nobody has asked for since the renewal before is not fetched again', async () => {
    const { client, issuer, renew } = await stand()
    const hop = client.call(stock, 'stock:read')
    await client.call(stock, 'stock:write').token()
    await hop.token()
    const goesOver = async () => {
      const svid = await renew()
      await eventually(async () => (await hop.token()).svid === svid)
    }
    await goesOver()
    expect(issuer.asked.length).toBe(4)
    await goesOver()
    expect(issuer.asked.slice(4).map((form) => form.get('scope'))).toEqual(['stock:read'])
  })

  test('what is there already is not asked for again, where the issuer could not give all at once', async () => {
    const { client, clock, issuer, renew } = await stand()
    const hops = Array.from({ length: 20 }, (_, at) => client.call(stock, `stock:${at}`))
    for (const hop of hops) await hop.token()
    // As an issuer that gives so many and then wants to be left alone for a while.
    let left = 5
    issuer.hold = async () => {
      left -= 1
      issuer.answer = left < 0 ? { status: 429, body: '{}' } : undefined
    }
    const renewed = await renew()
    await eventually(async () => {
      left = 5
      await clock.advance(5000)
      return (await hops[0]?.token())?.svid === renewed
    })
    const asked = issuer.asked.slice(20).map((form) => form.get('scope'))
    expect(new Set(asked).size).toBe(20)
    expect(asked.length).toBeLessThan(80)
  })

  test('it goes over as soon as the issuer is back', async () => {
    const { client, clock, issuer, renew } = await stand({ svidSeconds: 60 })
    const hop = client.call(stock, 'stock:read')
    await hop.token()
    issuer.answer = { status: 503, body: '{}' }
    const renewed = await renew()
    await eventually(() => issuer.asked.length > 1)
    issuer.answer = undefined
    await eventually(async () => {
      await clock.advance(100)
      return (await hop.token()).svid === renewed
    })
  })
})

test('while the issuer does not answer, the token that is there serves in a moment, and the next one once it comes', async () => {
  const { client, clock, issuer } = await stand()
  const hop = client.call(stock, 'stock:read')
  const first = await hop.token()
  const answered = Promise.withResolvers<void>()
  onTestFinished(() => answered.resolve())
  issuer.hold = () => answered.promise
  await clock.advance(151_000)
  const given: string[] = []
  void hop.token().then(({ token }) => given.push(token))
  await eventually(() => issuer.asked.length === 2)
  await clock.advance(250)
  await eventually(() => given.length === 1)
  expect(given).toEqual([first.token])
  expect((await hop.token()).token).toBe(first.token)
  answered.resolve()
  await eventually(async () => (await hop.token()).token !== first.token)
  expect(issuer.asked).toHaveLength(2)
})

test('T8 a redirect is returned, and nothing is sent to where it leads', async () => {
  const { client, url } = await stand()
  for (const init of [{}, { redirect: undefined }, { redirect: 'follow' }] as object[]) {
    const answer = await client.call(stock, 'stock:read').fetch(`${url}moved`, init)
    expect([answer.status, answer.headers.get('location')]).toEqual([307, '/'])
  }
})

test('a token that a service says is not good is not sent again', async () => {
  const { client, issuer, url } = await stand()
  const hop = client.call('https://other.example.org', 'stock:read')
  const { token } = await hop.token()
  expect((await hop.fetch(url)).status).toBe(401)
  expect((await hop.token()).token).not.toBe(token)
  expect(issuer.asked.length).toBe(2)
})

describe('is refused:', () => {
  const answers: readonly [string, number, string][] = [
    ['token-refused', 400, '{"error":"invalid_target"}'],
    ['client-refused', 401, '{"error":"invalid_client"}'],
    ['issuer-unavailable', 503, '{"error":"temporarily_unavailable"}'],
    ['issuer-unavailable', 429, 'slower'],
    ['issuer-unavailable', 200, 'x'.repeat(300_000)],
    ['issuer-answer', 200, '{"access_token":"a b","token_type":"Bearer","expires_in":60}'],
    ['issuer-answer', 200, '{"access_token":"a","token_type":"DPoP","expires_in":60}'],
    ['issuer-answer', 200, '{"access_token":"a","token_type":"Bearer"}'],
    ['issuer-answer', 200, '<html>'],
  ]

  test.for(answers)('%s for status %i and %.30s', async ([reason, status, body]) => {
    const { client, issuer } = await stand()
    issuer.answer = { status, body, retryAfter: '7' }
    const asked = client.call(stock, 'stock:read').token()
    await expect(asked).rejects.toMatchObject({ reason })
    if (status === 429) await expect(asked).rejects.toMatchObject({ retryAfterMs: 7000 })
  })

  test('an issuer whose certificate nobody vouches for, and one that does not answer in 5 s', async () => {
    const { clock, issuer, source } = await stand()
    const options = { issuer: issuer.issuer, source, authorize: () => true, clock }
    const other = new OauthClient({ ...options, endpoints: { token: issuer.url } })
    onTestFinished(() => other.close())
    const asked = reasonOfAsync(() => other.call(stock, 'a').token())
    expect(await asked).toBe('issuer-unavailable')
    expect(issuer.asked).toEqual([])

    issuer.hold = () => new Promise(() => {})
    const late = new OauthClient({ ...options, endpoints: { token: issuer.url }, ca: issuer.ca })
    onTestFinished(() => late.close())
    const waiting = reasonOfAsync(() => late.call(stock, 'a').token())
    await eventually(() => issuer.asked.length > 0)
    await clock.advance(5000)
    expect(await waiting).toBe('issuer-unavailable')
  })

  test('a URL that is not https, an unsound issuer, and a client that is closed', async () => {
    const { client, source, url, issuer: running } = await stand()
    const issuerCa = running.ca
    const hop = client.call(stock, 'stock:read')
    const plain = url.replace('https', 'http')
    expect(await reasonOfAsync(() => hop.fetch(plain))).toBe('url-scheme')
    const issuer = 'http://as.example.org'
    expect(reasonOf(() => new OauthClient({ issuer, source, authorize: () => true }))).toBe(
      'client-options',
    )
    const https = 'https://as.example.org'
    expect(() => new OauthClient({ issuer: `${https}/`, source, authorize: () => true })).toThrow(
      expect.objectContaining({ fix: expect.stringMatching(`: ${https}$`) }),
    )
    // Node takes those in silence, and then believes nobody.
    for (const ca of ['a text', [], ['a text'], ['ca.pem', ...issuerCa], [7]] as string[][]) {
      expect(
        reasonOf(
          () => new OauthClient({ ...{ issuer: https, ca }, source, authorize: () => true }),
        ),
      ).toBe('client-options')
    }
    await client.close()
    expect(await reasonOfAsync(() => hop.fetch(url))).toBe('client-closed')
  })
})

test('introspection asks the issuer, as this workload', async () => {
  const { issuer, source, clock } = await stand()
  const client = new OauthClient({
    ...{ issuer: issuer.issuer, source, authorize: () => true, clock, ca: issuer.ca },
    endpoints: { introspection: issuer.url },
  })
  onTestFinished(() => client.close())
  issuer.answer = { status: 200, body: '{"active":true}' }
  expect(await client.introspect('a-token')).toBe(true)
  issuer.answer = { status: 200, body: '{"active":false}' }
  expect(await client.introspect('a-token')).toBe(false)
  issuer.answer = { status: 200, body: '{}' }
  expect(await reasonOfAsync(() => client.introspect('a-token'))).toBe('issuer-answer')
  expect(Object.fromEntries(issuer.asked[0] ?? [])).toEqual({
    token: 'a-token',
    client_id: clientId,
  })
})

test('a workload with a JWT-SVID gets tokens that are bound to nothing', async () => {
  const { issuer, clock } = await stand()
  const client = new OauthClient({
    ...{ issuer: issuer.issuer, clock, ca: issuer.ca, endpoints: { token: issuer.url } },
    jwtSource: { fetchJwtSvid: async (audience) => ({ token: `svid for ${audience}` }) },
  })
  onTestFinished(() => client.close())
  const { token, svid } = await client.call(stock, 'stock:read').token()
  expect(svid).toBeUndefined()
  expect(decodeJwt(token)).not.toHaveProperty('cnf')
  expect(Object.fromEntries(issuer.asked[0] ?? [])).toMatchObject({
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe',
    client_assertion: `svid for ${issuer.issuer}`,
  })
})

test('T26 a JWT-SVID that the issuer does not take is replaced, once', async () => {
  const { issuer, clock } = await stand()
  const gone: string[] = []
  const client = new OauthClient({
    ...{ issuer: issuer.issuer, clock, ca: issuer.ca, endpoints: { token: issuer.url } },
    jwtSource: {
      fetchJwtSvid: async () => ({ token: `svid ${gone.length}` }),
      discard: (token) => void gone.push(token),
    },
  })
  onTestFinished(() => client.close())
  issuer.answer = { status: 401, body: '{"error":"invalid_client"}' }
  await expect(client.call(stock, 'stock:read').token()).rejects.toMatchObject({
    reason: 'client-refused',
  })
  issuer.hold = async () => {
    if (issuer.asked.length === 4) issuer.answer = undefined
  }
  await client.call(stock, 'stock:read').token()
  expect(issuer.asked.map((form) => form.get('client_assertion'))).toEqual([
    ...['svid 0', 'svid 1', 'svid 1', 'svid 2'],
  ])
  expect(gone).toEqual(['svid 0', 'svid 1'])
})

test('T9 a token goes to no service whose certificate is not believed, whatever the environment says of TLS', async () => {
  const [{ issuer, clock }, stranger] = [await stand(), await startIssuer(systemClock, 60)]
  const client = new OauthClient({
    ...{ issuer: issuer.issuer, clock, ca: issuer.ca, endpoints: { token: issuer.url } },
    jwtSource: { fetchJwtSvid: async () => ({ token: 'svid' }) },
  })
  onTestFinished(() => client.close())
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  onTestFinished(() => void vi.unstubAllEnvs())
  const call = client.call(stock, 'stock:read')
  await expect(call.fetch(stranger.url, { method: 'POST' })).rejects.toThrow('fetch failed')
  await call.fetch(issuer.url, { method: 'POST' })
  expect([stranger.asked.length, issuer.asked.length]).toEqual([0, 2])
})

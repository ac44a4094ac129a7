import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import {
  type CallOptions,
  caller,
  type RunningBroker,
  startBroker,
} from '../support/running-broker.ts'

const anybody = '@id("all") permit (principal, action == Action::"callVendor", resource);'
const open = { svid_alone: true }

async function start(wishes: Parameters<typeof startBroker>[0]): Promise<RunningBroker> {
  const broker = await startBroker(wishes)
  onTestFinished(() => broker.stop())
  return broker
}

const svidOf = (broker: RunningBroker, name: string): Promise<X509Svid> =>
  broker.api.trustDomain.issueX509(SpiffeId.parse(`spiffe://example.org/${name}`))

describe('nothing is called but what the integration names,', () => {
  let broker: RunningBroker
  let web: X509Svid

  beforeAll(async () => {
    broker = await startBroker({
      policy: anybody,
      acme: {
        ...open,
        methods: ['GET', 'POST'],
        paths: ['/v2/contacts', '/v2/lists/*', '/files/**'],
      },
    })
    web = await broker.api.trustDomain.issueX509(SpiffeId.parse(caller))
  })

  afterAll(() => broker?.stop())

  beforeEach(() => {
    broker.vendor.requests.length = 0
  })

  test.each([
    ['GET', '/v2/contacts'],
    ['POST', '/v2/contacts'],
    ['GET', '/v2/lists/7'],
    ['GET', '/files/a/b'],
    ['GET', '/files'],
  ])('%s %s is called', async (method, path) => {
    expect((await broker.call({ svid: web, method, path: `/acme${path}` })).status).toBe(200)
  })

  test.each([
    ['GET', '/'],
    ['GET', '/v2'],
    ['GET', '/v2/'],
    ['GET', '/v2/contacts/'],
    ['GET', '/v2/contacts/7'],
    ['GET', '/V2/contacts'],
    ['GET', '/v2/lists'],
    ['GET', '/v2/lists/'],
    ['GET', '/v2/lists/7/keys'],
    ['GET', '/v2/keys'],
    ['GET', '/filesystem'],
    ['POST', '/v2/keys'],
  ])('%s %s is not: path-not-allowed', async (method, path) => {
    const { status, reason } = await broker.call({ svid: web, method, path: `/acme${path}` })
    expect([status, reason]).toEqual([403, 'path-not-allowed'])
    expect(broker.vendor.requests).toEqual([])
    expect(broker.trail().at(-1)).toMatchObject({
      kind: 'broker.denied',
      details: { path, method },
    })
  })

  test.each(['HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    '%s is not: method-not-allowed',
    async (method) => {
      const { status, reason } = await broker.call({ svid: web, method, path: '/acme/v2/contacts' })
      expect([status, reason]).toEqual([405, 'method-not-allowed'])
      expect(broker.vendor.requests).toEqual([])
    },
  )
})

test('a policy sees this integration, the caller’s purpose, its address and the time, as they are', async () => {
  const today = new Date().toISOString().slice(0, 10)
  const permit = (path: string, head: string, when: string) =>
    `@id("${path}") permit (principal, action == Action::"callVendor", ${head})
     when { context.path == "/v2/${path}" && ${when} };`
  const broker = await start({
    acme: open,
    policy: (acme) =>
      [
        permit('this', `resource == Integration::"${acme}"`, 'true'),
        permit('other', `resource == Integration::"${acme}-eu"`, 'true'),
        permit('purpose', 'resource', 'principal.purpose == "reads contacts"'),
        permit('address', 'resource', 'context.address.isInRange(ip("127.0.0.2/31"))'),
        permit('since', 'resource', `context.time >= datetime("${today}")`),
        permit('until', 'resource', `context.time < datetime("${today}")`),
      ].join('\n'),
  })
  const ask = async (path: string, more: CallOptions = {}) => {
    const token = await broker.token()
    const { status, reason } = await broker.call({ token, path: `/acme/v2/${path}`, ...more })
    return reason ?? status
  }
  expect([await ask('this'), await ask('other')]).toEqual([200, 'policy-none'])
  const token = await broker.token({ purpose: 'something else' })
  expect([await ask('purpose'), await ask('purpose', { token })]).toEqual([200, 'policy-none'])
  const from = '127.0.0.3'
  expect([await ask('address', { from }), await ask('address')]).toEqual([200, 'policy-none'])
  expect([await ask('since'), await ask('until')]).toEqual([200, 'policy-none'])
})

test('the rate of one caller is his alone, and what is refused before takes nothing of it', async () => {
  const broker = await start({ policy: anybody, acme: { ...open, rate: '1/h' } })
  const [one, two] = [await svidOf(broker, 'one'), await svidOf(broker, 'two')]
  const ask = async (svid: X509Svid, path?: string) => {
    const { status, reason } = await broker.call({ svid, ...(path !== undefined && { path }) })
    return reason ?? status
  }
  expect(await ask(one, '/acme/keys')).toBe('path-not-allowed')
  expect([await ask(one), await ask(one)]).toEqual([200, 'rate-limited'])
  expect(await ask(one, '/acme/keys')).toBe('path-not-allowed')
  expect(await ask(two)).toBe(200)
})

test('whom no policy lets call takes nothing of the rate that all have together', async () => {
  const broker = await start({ acme: { ...open, rate_all: '1/h' } })
  const [web, stranger] = [await svidOf(broker, 'web'), await svidOf(broker, 'stranger')]
  const reasons = []
  for (const svid of [stranger, stranger, web, web]) {
    reasons.push((await broker.call({ svid })).reason)
  }
  expect(reasons).toEqual(['policy-none', 'policy-none', undefined, 'rate-limited'])
})

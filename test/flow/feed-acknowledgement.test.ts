import { readFileSync } from 'node:fs'
import { Agent, get } from 'node:https'
import { revocationFeed } from 'countersign/resource-server'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { ask, issuer, orders, resourceOf } from '../support/oauth.ts'
import { PROMPT_MS } from '../support/prompt.ts'
import { recordsIn } from '../support/records-in.ts'
import {
  mint,
  someAgent,
  type TestIdentity,
  trustDomain,
  wireEntry,
} from '../support/running-server.ts'
import { shownBy } from '../support/shown.ts'
import { startTokenServer, type TokenServer } from '../support/token-server.ts'
import type { WebCertificate } from '../support/web-certificate.ts'

const stock = 'https://stock.example.org'
let certificate: WebCertificate
let server: TokenServer
let port: number
let monitoring: number
let serving: TestIdentity
let other: TestIdentity
let stranger: TestIdentity

beforeAll(async () => {
  monitoring = await freePort()
  const servedBy = new Set(['/orders', '/other'].map((path) => SpiffeId.of(trustDomain, path)))
  server = await startTokenServer({
    oauth: {
      resources: new Map([
        [orders, resourceOf(orders, { servedBy })],
        // Of somebody who does not read the feed.
        [stock, resourceOf(stock, { servedBy: new Set([SpiffeId.of(trustDomain, '/stock')]) })],
      ]),
    },
    overrides: { httpAddress: { host: '127.0.0.1', port: monitoring } },
  })
  certificate = server.certificate
  port = server.port
  await server.admin('spire.api.server.entry.v1.Entry').unary('BatchCreateEntry', {
    entries: ['/orders', '/other', '/stranger', '/gone'].map((path) =>
      wireEntry({ path, parent: someAgent }),
    ),
  })
  serving = await mint(server, '/orders')
  other = await mint(server, '/other')
  stranger = await mint(server, '/stranger')
})

afterAll(async () => {
  await server?.remove()
})

function shown(identity: TestIdentity) {
  return {
    ca: readFileSync(certificate.ca),
    ...shownBy(identity),
  }
}

async function metric(name: string, resource = orders): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${monitoring}/metrics`)).text()
  const begins = `countersign_server_feed_${name}{resource="${resource}"`
  const line = text.split('\n').find((one) => one.startsWith(begins))
  return Number(line?.split(' ').at(-1))
}

const nonce = 'n'.repeat(22)
const path = '/oauth/feed'

/** Reads the feed and says nothing of it; resolves with the id of its first event. */
function readSilently(identity: TestIdentity): Promise<{ id: string; close: () => void }> {
  return new Promise((resolve, reject) => {
    const url = `https://localhost:${port}${path}?nonce=${nonce}&client_id=${identity.id}`
    const request = get(url, { ...shown(identity), agent: false }, (response) => {
      const close = (): void => void response.destroy()
      onTestFinished(close)
      response.on('error', () => {})
      response.on('data', (chunk) => {
        const id = /^id: (.*)$/m.exec(String(chunk))?.[1]
        if (id !== undefined) resolve({ id, close })
      })
    })
    request.on('error', reject)
  })
}

/** Deletes an entry, which is a fact. */
async function revokeSomething(): Promise<void> {
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  const { entries: all } = await entries.unary('ListEntries', {})
  const id = all.find(({ spiffe_id }) => spiffe_id?.path === '/gone')?.id ?? ''
  await entries.unary('BatchDeleteEntry', { ids: [id] })
}

test('a reader acknowledges what it has applied, and the server tells how long that took and what is left', async () => {
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  const feed = revocationFeed({
    issuer,
    url: `https://localhost:${port}${path}`,
    keys: async () => (await ask(port, certificate, '/oauth/feed-keys')).body,
    clientId: serving.id,
    tls: () => shown(serving),
  })
  void feed.run(stop.signal)
  await eventually(() => feed.fresh())
  await revokeSomething()
  await eventually(async () => (await metric('lag_seconds_count')) === 1)
  expect(await metric('lag_seconds_sum')).toBeLessThan(PROMPT_MS / 1000)
  await eventually(async () => (await metric('unacknowledged')) === 0)
  expect(await metric('readers')).toBe(1)
  await eventually(async () => (await metric('alarm')) === 0)
  // Nothing of this is counted for a resource that the reader does not serve.
  expect([await metric('readers', stock), await metric('lag_seconds_count', stock)]).toEqual([
    0,
    Number.NaN,
  ])
})

test('a reader that is connected and does not acknowledge is an alarm, on record and in the metrics, until it is gone', async () => {
  const told = () =>
    recordsIn(server.config.auditFile).filter(({ kind }) => String(kind).startsWith('feed.'))
  // The reader of before may have been late on a machine that stood still.
  await eventually(async () => (await metric('alarm')) === 0 && told().length % 2 === 0)
  const before = told().length
  const records = () => told().slice(before)
  const { close } = await readSilently(serving)
  await eventually(async () => (await metric('alarm')) === 1)
  const alarmed = { kind: 'feed.alarmed', spiffeId: serving.id, audience: [orders] }
  await eventually(() => records().length > 0)
  expect(records()).toMatchObject([alarmed])
  close()
  await eventually(async () => (await metric('alarm')) === 0 && records().length === 2)
  expect(records()).toMatchObject([alarmed, { kind: 'feed.recovered' }])
})

test('nobody acknowledges for another: neither a stranger nor another reader, nor without a proof', async () => {
  const { id: head } = await readSilently(serving)
  // Over few connections, so that a flood is one on a slow machine too.
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  onTestFinished(() => agent.destroy())
  const say = async (query: Record<string, string>, identity?: TestIdentity): Promise<number> => {
    const asked = `${path}/acknowledge?${new URLSearchParams(query)}`
    return (await ask(port, certificate, asked, { method: 'POST', identity, agent })).status
  }
  const own = { client_id: serving.id, nonce, head }
  expect(await say(own)).toBe(401)
  // RFC 9110 §11.6.1.
  const unproved = await ask(port, certificate, `${path}/acknowledge`, { method: 'POST', agent })
  expect(unproved.headers['www-authenticate']).toBe('Bearer')
  expect(await say(own, other)).toBe(401)
  expect(await say({ ...own, client_id: other.id }, other)).toBe(404)
  expect(await say({ ...own, client_id: stranger.id }, stranger)).toBe(403)
  expect(await say({ ...own, nonce: 'm'.repeat(22) }, serving)).toBe(404)
  expect(await say({ ...own, head: `${head}0000` }, serving)).toBe(400)
  expect(await say({ client_id: serving.id, nonce }, serving)).toBe(400)
  for (const delay of ['-5', '1.5', 'x', '1234567', '']) {
    expect(await say({ ...own, delay }, serving)).toBe(400)
  }
  expect(await say({ ...own, nonce: 'm'.repeat(65) }, serving)).toBe(400)
  expect(await say(own, serving)).toBe(204)
  const flood = await Promise.all(Array.from({ length: 500 }, () => say(own, serving)))
  expect(new Set(flood)).toEqual(new Set([204, 503]))
})

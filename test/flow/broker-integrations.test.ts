import { hash } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { readAnswer } from '../support/broker-reply.ts'
import { PROMPT_MS } from '../support/prompt.ts'
import {
  type BrokerWishes,
  caller,
  type RunningBroker,
  startBroker,
  vendorKey,
} from '../support/running-broker.ts'

let web: X509Svid

async function start(wishes: BrokerWishes = {}): Promise<RunningBroker> {
  const broker = await startBroker({ ...wishes, acme: { svid_alone: true, ...wishes.acme } })
  onTestFinished(() => broker.stop())
  web = await broker.api.trustDomain.issueX509(SpiffeId.parse(caller))
  return broker
}

const open = { svid_alone: true }

describe('an integration is shut', () => {
  test('at the reload, the call under way included', async () => {
    const broker = await start()
    broker.vendor.answer = () => [
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
      '2\r\nhi\r\n',
    ]
    const socket = await broker.dial(web)
    socket.write(`GET /acme/v2 HTTP/1.1\r\nhost: ${broker.host}\r\n\r\n`)
    await new Promise((resolve) => socket.once('data', resolve))
    const cut = readAnswer(socket)
    const startedMs = performance.now()
    await broker.reload({ acme: { ...open, disabled: true } })
    expect((await cut).endsWith('\r\n0\r\n\r\n')).toBe(false)
    expect(performance.now() - startedMs).toBeLessThan(PROMPT_MS)
    expect((await broker.call({ svid: web })).reason).toBe('integration-disabled')
    await broker.reload({ acme: open })
    broker.vendor.answer = () => 'HTTP/1.1 204 No\r\n\r\n'
    await eventually(async () => (await broker.call({ svid: web })).status === 204)
  })

  test('that is left out, the call under way included', async () => {
    const broker = await start()
    writeFileSync(join(broker.folder, 'other.key'), 'the-key-of-the-other', { mode: 0o600 })
    const with1 = { ...other(broker), secret: { file: join(broker.folder, 'other.key') } }
    await broker.reload({ acme: open, others: [with1] })
    broker.vendor.answer = () => [
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
      '2\r\nhi\r\n',
    ]
    const socket = await broker.dial(web)
    socket.write(`GET /other/a HTTP/1.1\r\nhost: ${broker.host}\r\n\r\n`)
    await new Promise((resolve) => socket.once('data', resolve))
    const cut = readAnswer(socket)
    await broker.reload({ acme: open })
    expect((await cut).endsWith('\r\n0\r\n\r\n')).toBe(false)
    expect((await broker.call({ svid: web, path: '/other/a' })).reason).toBe('integration-unknown')
  })

  test('by nothing that cannot be used: the configuration stays, and the log says why', async () => {
    const broker = await start()
    await broker.reload({ acme: { ...open, methods: ['BREW'] } })
    await eventually(() => broker.log().includes('config-value'))
    await broker.reload({ acme: open, others: [{ ...other(broker), id: 'second' }] })
    await eventually(() => broker.log().includes('credential-shared'))
    // Of a running broker nothing but its integrations changes.
    await broker.reload({ acme: { ...open, methods: ['DELETE'] }, feed: true })
    await eventually(() => broker.log().includes('config-restart'))
    expect((await broker.call({ svid: web })).status).toBe(200)
  })

  test('when its key is older than it may be, which a new key ends', async () => {
    const broker = await start({ acme: { max_age: '30d', issued: '2026-01-01' } })
    expect((await broker.call({ svid: web })).reason).toBe('credential-old')
    expect(broker.log()).toContain('near the end of its time')
    writeFileSync(join(broker.folder, 'acme.key'), 'another-key-of-the-vendor')
    await broker.reload({ acme: { ...open, max_age: '30d' } })
    await eventually(async () => (await broker.call({ svid: web })).status === 200)
    expect(broker.vendor.requests.at(-1)).toContain('x-api-key: another-key-of-the-vendor')
  })
})

function other(broker: RunningBroker): Record<string, unknown> {
  return {
    ...{ id: 'other', owner: 'sales', secret: { file: join(broker.folder, 'acme.key') } },
    ...{ upstream: `https://api.acme.test:${broker.vendor.port}`, networks: ['127.0.0.0/8'] },
    ...{ ca: broker.config.integrations[0]?.ca, inject: { query: 'api_key' }, ...open },
    ...{ methods: ['GET'], paths: ['/**'] },
  }
}

test('a key is warned of from four fifths of its time on', async () => {
  const issued = (days: number) =>
    new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)
  const broker = await start({ acme: { max_age: '100d', issued: issued(78) } })
  expect(broker.log()).not.toContain('near the end of its time')
  await broker.reload({ acme: { ...open, max_age: '100d', issued: issued(82) } })
  expect(broker.log()).toContain('near the end of its time')
  expect((await broker.call({ svid: web })).status).toBe(200)
})

test('one key is for one integration, also after the other has let go of it', async () => {
  const broker = await start()
  writeFileSync(join(broker.folder, 'acme.key'), 'a-second-key-of-acme')
  writeFileSync(join(broker.folder, 'old.key'), vendorKey, { mode: 0o600 })
  await broker.reload({
    acme: open,
    others: [{ ...other(broker), secret: { file: join(broker.folder, 'old.key') } }],
  })
  await eventually(() => broker.log().includes('credential-shared'))
  expect(broker.log()).toContain('the secret of other is that of the integration acme')
})

test('the key goes where the vendor wants it: into the query, or into Basic, in place of the caller’s', async () => {
  const broker = await start()
  writeFileSync(join(broker.folder, 'other.key'), 'a"key/with?marks&s+more', { mode: 0o600 })
  writeFileSync(join(broker.folder, 'third.key'), 'pass:word-123456', { mode: 0o600 })
  await broker.reload({
    acme: open,
    others: [
      { ...other(broker), secret: { file: join(broker.folder, 'other.key') } },
      {
        ...{ ...other(broker), id: 'third', inject: { basic: 'user' } },
        secret: { file: join(broker.folder, 'third.key') },
      },
    ],
  })
  await eventually(async () => (await broker.call({ svid: web, path: '/third/a' })).status === 200)
  const basic = Buffer.from('user:pass:word-123456').toString('base64')
  expect(broker.vendor.requests.at(-1)).toContain(`\r\nauthorization: Basic ${basic}\r\n`)
  await broker.call({ svid: web, path: '/other/a?b=c' })
  const line = 'GET /a?b=c&api_key=a%22key%2Fwith%3Fmarks%26s%2Bmore HTTP/1.1'
  expect(broker.vendor.requests.at(-1)?.split('\r\n')[0]).toBe(line)
  const names = ['API%5Fkey', 'api.key', 'api_key%5B%5D', 'api%5Bkey', '+api_key', 'b;api_key']
  for (const name of names) {
    const twice = await broker.call({ svid: web, path: `/other/a?${name}=mine` })
    expect([name, twice.reason]).toEqual([name, 'query-credential'])
  }
})

test('where parameters are named, a query has no others', async () => {
  const broker = await start({ acme: { parameters: ['page', 'filter[name]'] } })
  const ask = async (query: string) => {
    const { reason, status } = await broker.call({ svid: web, path: `/acme/v2/contacts${query}` })
    return reason ?? status
  }
  for (const query of ['', '?', '?page=1&page=2&', '?filter%5Bname%5D=a', '?p%61ge']) {
    expect([query, await ask(query)]).toEqual([query, 200])
  }
  for (const query of ['?Page=1', '?page=1&rest_route=/users', '?page=1;do=it', '?=a', '?filter']) {
    expect([query, await ask(query)]).toEqual([query, 'parameter-not-allowed'])
  }
})

describe('T8 the vendor’s name leads to no other place:', () => {
  test('an address that is not allowed is not connected to, whatever the name says by then', async () => {
    let addresses = ['127.0.0.1']
    const broker = await start({ addresses: () => addresses })
    expect((await broker.call({ svid: web })).status).toBe(200)
    for (const socket of broker.vendor.sockets) socket.destroy()
    for (const rebound of [
      '169.254.169.254',
      '10.0.0.1',
      '0.0.0.0',
      '::ffff:169.254.169.254',
      'fe80::1',
    ]) {
      addresses = [rebound]
      const reply = await broker.call({ svid: web })
      expect([rebound, reply.status, reply.reason]).toEqual([rebound, 403, 'vendor-address'])
    }
    expect(broker.vendor.requests).toHaveLength(1)
  })

  test('without networks not even loopback is', async () => {
    const broker = await start({ acme: { networks: [] } })
    expect((await broker.call({ svid: web })).reason).toBe('vendor-address')
    expect(broker.vendor.connections).toBe(0)
  })

  test('whoever answers there has to show the vendor’s certificate', async () => {
    const broker = await start({ acme: { upstream: 'https://api.acme.test:1' } })
    const { port } = broker.vendor
    // Of what the network says a caller hears nothing.
    expect(JSON.parse((await broker.call({ svid: web })).body)).toEqual({
      ...{ code: 'unavailable', reason: 'vendor-unreachable' },
      message: 'the vendor cannot be reached',
    })
    await broker.reload({ acme: { ...open, upstream: `https://other.test:${port}` } })
    await eventually(async () => (await broker.call({ svid: web })).reason === 'vendor-certificate')
    expect(broker.vendor.requests).toEqual([])
    // The operator does, and once a minute is enough.
    await broker.call({ svid: web })
    const said = broker.log().match(/.*"a vendor cannot be called".*/g) ?? []
    expect(said.map((line) => JSON.parse(line).error.reason)).toEqual([
      ...['vendor-unreachable', 'vendor-certificate'],
    ])
    expect(said[0]).toMatch(/"integration":"acme".*ECONNREFUSED/)
    expect(said[1]).toContain('DNS:api.acme.test')
  })
})

describe('is bounded:', () => {
  test('calls of one caller, and of all together', async () => {
    const broker = await start({
      policy: '@id("all") permit (principal, action == Action::"callVendor", resource);',
      acme: { rate: '2/h', rate_all: '3/h' },
    })
    const second = await broker.api.trustDomain.issueX509(SpiffeId.parse('spiffe://example.org/b'))
    const ask = async (svid: X509Svid) => {
      const { status, headers } = await broker.call({ svid })
      return status === 429 ? Number(headers['retry-after']) > 60 : status
    }
    expect([await ask(web), await ask(web)]).toEqual([200, true])
    expect([await ask(second), await ask(second)]).toEqual([true, true])
  })

  test('calls under way', async () => {
    const broker = await start({ acme: { max_calls: 1 } })
    broker.vendor.answer = () => []
    const first = await broker.dial(web)
    first.write(`GET /acme/v2 HTTP/1.1\r\nhost: ${broker.host}\r\n\r\n`)
    await eventually(() => broker.vendor.requests.length === 1)
    expect((await broker.call({ svid: web })).reason).toBe('calls-many')
    first.destroy()
    broker.vendor.answer = () => 'HTTP/1.1 204 No\r\n\r\n'
    await eventually(async () => (await broker.call({ svid: web })).status === 204)
  })
})

test('what cannot be put on record is not sent', async () => {
  const broker = await start()
  expect((await broker.call({ svid: web })).status).toBe(200)
  // The broker's own file is gone, and the one in its place is open to others.
  rmSync(broker.config.auditFile)
  writeFileSync(broker.config.auditFile, '', { mode: 0o644 })
  const reply = await broker.call({ svid: web })
  expect([reply.status, broker.vendor.requests.length]).toEqual([503, 1])
})

test('policy decides on method, path, address and owner', async () => {
  const broker = await start({
    policy: `
      @id("readers") permit (principal, action == Action::"callVendor", resource is Integration)
      when { context.method == "GET" && context.path like "/v2/contacts*" &&
             context.address.isInRange(ip("127.0.0.0/8")) && resource has owner && resource.owner == "sales" };
      @id("not-interns") forbid (principal, action == Action::"callVendor", resource) when { principal.owner == "interns" };`,
  })
  const ask = async (options: object) => {
    const { reason, status } = await broker.call({ token: await broker.token(), ...options })
    return reason ?? status
  }
  expect(await ask({})).toBe(200)
  expect(await ask({ method: 'DELETE' })).toBe('policy-none')
  expect(await ask({ path: '/acme/v2/accounts' })).toBe('policy-none')
  expect(await ask({ token: await broker.token({ owner: 'interns' }) })).toBe('policy-forbids')
  expect(broker.trail().at(-1)).toMatchObject({
    policies: ['not-interns'],
    reason: 'policy-forbids',
  })
})

test('where it says so, a token has to be bound', async () => {
  const broker = await start({ acme: { require_bound: true } })
  const thumbprint = hash('sha256', web.chain[0] ?? '', 'base64url')
  const bound = await broker.token({ cnf: { 'x5t#S256': thumbprint } })
  expect((await broker.call({ token: bound, svid: web })).status).toBe(200)
  const loose = await broker.call({ token: await broker.token(), svid: web })
  expect(loose.reason).toBe('token-binding')
})

test('a token for anything else is none, and neither is that of another workload than the SVID', async () => {
  const broker = await start({ acme: { svid_alone: false } })
  const stranger = await broker.api.trustDomain.issueX509(SpiffeId.parse('spiffe://example.org/b'))
  const ask = async (claims: object, svid?: X509Svid) =>
    (await broker.call({ token: await broker.token({ ...claims }), svid })).reason
  expect(await ask({ aud: broker.audience('other') })).toBe('token-audience')
  expect(await ask({ aud: [broker.audience(), broker.audience('other')] })).toBe('token-audience')
  expect(await ask({ iss: 'https://evil.test' })).toBe('token-issuer')
  expect(await ask({ exp: 1 })).toBe('token-expired')
  expect(await ask({ client_id: 'app' })).toBe('caller-id')
  expect(await ask({}, stranger)).toBe('caller-other')
  expect((await broker.call({ svid: web })).reason).toBe('token-missing')
  expect((await broker.call({ svid: web, path: '/none/a' })).reason).toBe('integration-unknown')
  expect(broker.vendor.requests).toEqual([])
})

test('T12 who proves nothing does not learn which integrations there are: he is refused alike for one that is not there', async () => {
  const broker = await start({ acme: { max_request_bytes: 1 } })
  const tokens = [undefined, 'no-token', await broker.token({ aud: broker.audience('other') })]
  const answersOf = async (path: string) => {
    const answers = []
    for (const token of tokens) {
      for (const more of [{}, { method: 'POST', body: 'more than a byte' }]) {
        const { status, reason, body } = await broker.call({ token, path, ...more })
        answers.push([status, reason, String(body)])
      }
    }
    return answers
  }
  const answers = await answersOf('/acme/v2/a')
  expect(await answersOf('/none/v2/a')).toEqual(answers)
  const reasons = ['token-missing', 'token-malformed', 'token-audience']
  expect(answers.map(([status, reason]) => [status, reason])).toEqual(
    reasons.flatMap((reason) => Array(2).fill([401, reason])),
  )
})

test('what a broker knows of its keys outlives it: age, last use, calls', async () => {
  const broker = await start()
  await broker.call({ svid: web })
  const path = join(broker.config.dataDir, 'credentials.json')
  await broker.reload({ acme: open })
  await eventually(() => JSON.parse(readFileSync(path, 'utf8')).integrations.acme.calls === 1)
  const { acme } = JSON.parse(readFileSync(path, 'utf8')).integrations
  expect(acme).toMatchObject({
    owner: 'sales',
    fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
  expect(Date.now() - Date.parse(acme.lastUsed)).toBeLessThan(60_000)
})

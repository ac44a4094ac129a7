import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { parseReply, type Reply } from '../support/broker-reply.ts'
import { caller, type RunningBroker, startBroker, vendorKey } from '../support/running-broker.ts'

let broker: RunningBroker
let web: X509Svid

const acme = { svid_alone: true, max_response_bytes: 5000 }

beforeAll(async () => {
  broker = await startBroker({
    policy: '@id("all") permit (principal, action == Action::"callVendor", resource);',
    ...{ acme, metrics: true },
  })
  web = await broker.api.trustDomain.issueX509(SpiffeId.parse(caller))
})

afterAll(() => broker?.stop())

type Answer = typeof broker.vendor.answer

beforeEach(() => {
  broker.vendor.answer = () => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'
})

async function answered(answer: Answer, method = 'GET'): Promise<Reply> {
  broker.vendor.answer = answer
  return broker.call({ svid: web, method })
}

/** For the rest of the test: what a machine that stands still for a second takes is not too long. */
async function impatient(): Promise<void> {
  await broker.reload({ acme: { ...acme, timeout: '3s' } })
  onTestFinished(() => broker.reload({ acme }))
}

const stars = '*'.repeat(vendorKey.length)

describe('the key is taken out of what comes back:', () => {
  test('of a body, however it is cut into pieces, and the lengths stay; each time is counted', async () => {
    const echoes = async (): Promise<number> => {
      const counted = /^countersign_broker_key_echoes_total{integration="acme"} (\d+)$/m
      return Number(counted.exec(await broker.metrics())?.[1] ?? 0)
    }
    const before = await echoes()
    const body = `{"key":"${vendorKey}","again":"${vendorKey}"}`
    for (const size of [1, 7, 33, body.length]) {
      const pieces = [`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`]
      for (let at = 0; at < body.length; at += size) pieces.push(body.slice(at, at + size))
      const reply = await answered(() => pieces)
      expect(reply.body).toBe(body.replaceAll(vendorKey, stars))
      expect(reply.headers['content-length']).toBe(String(body.length))
    }
    await eventually(async () => (await echoes()) === before + 8)
    // Once a minute, whatever callers have it repeat.
    expect(broker.log().match(/a vendor repeated its key/g)).toHaveLength(1)
  })

  test('of chunks, with extensions and trailers', async () => {
    const [one, two] = [vendorKey.slice(0, 10), vendorKey.slice(10)]
    const reply = await answered(() => [
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-key\r\n\r\n',
      `a;ext=${vendorKey}\r\n${one}\r\n`,
      `${two.length.toString(16)}\r\n${two}\r\n0\r\nx-key: ${vendorKey}\r\n\r\n`,
    ])
    expect(reply.body).toBe(stars)
    expect(reply.headers).not.toHaveProperty('trailer')
  })

  test('of headers, their names and the status line, encoded or not', async () => {
    const encoded = Buffer.from(`api:${vendorKey}`).toString('base64')
    const answer = await (async () => {
      broker.vendor.answer = () =>
        `HTTP/1.1 200 ${vendorKey}\r\nx-echo: key ${vendorKey}!\r\nx-basic: ${encoded}\r\n${vendorKey}: 1\r\ncontent-length: 0\r\n\r\n`
      return broker.raw(`GET /acme/v2 HTTP/1.1\r\nhost: ${broker.host}\r\n\r\n`, web)
    })()
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(answer).toContain(`x-echo: key ${stars}!\r\n`)
    expect(answer).not.toContain(vendorKey)
    expect(answer).not.toContain(encoded.slice(8, -4))
  })

  test('of errors that the vendor sends', async () => {
    const reply = await answered(
      () => `HTTP/1.1 401 No\r\ncontent-length: 32\r\nwww-authenticate: x\r\n\r\n${vendorKey}`,
    )
    expect([reply.status, reply.body, reply.reason]).toEqual([401, stars, undefined])
    expect(reply.headers).not.toHaveProperty('www-authenticate')
  })
})

describe('an answer in which the key could not be seen is refused:', () => {
  const cases: readonly (readonly [name: string, reason: string, answer: Answer])[] = [
    [
      'compressed',
      'vendor-encoding',
      () => {
        const body = gzipSync(vendorKey)
        return [
          `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${body.length}\r\n\r\n`,
          body,
        ]
      },
    ],
    [
      'compressed twice',
      'vendor-encoding',
      () =>
        'HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-encoding: br\r\ncontent-length: 1\r\n\r\na',
    ],
    [
      'compressed, said behind 2000 other headers',
      'vendor-encoding',
      () =>
        `HTTP/1.1 200 OK\r\n${'a:\r\n'.repeat(2100)}content-encoding: br\r\ncontent-length: 1\r\n\r\na`,
    ],
    [
      'in another transfer coding',
      'vendor-framing',
      () => 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
    ],
    [
      'a part',
      'vendor-status',
      () => 'HTTP/1.1 206 Partial\r\ncontent-range: bytes 0-0/9\r\ncontent-length: 1\r\n\r\na',
    ],
    [
      'a status that is none',
      'vendor-status',
      () => 'HTTP/1.1 600 What\r\ncontent-length: 1\r\n\r\na',
    ],
    [
      'a status below all',
      'vendor-status',
      () => 'HTTP/1.1 099 What\r\ncontent-length: 1\r\n\r\na',
    ],
    [
      'too large by its length',
      'vendor-too-large',
      () => 'HTTP/1.1 200 OK\r\ncontent-length: 5001\r\n\r\n',
    ],
    [
      'two lengths',
      'vendor-broken',
      () => 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab',
    ],
    ['no HTTP', 'vendor-broken', () => `${vendorKey}\r\n\r\n`],
    [
      'another protocol',
      'vendor-broken',
      () => 'HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n',
    ],
    [
      'a head that is too large',
      'vendor-broken',
      () => `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`,
    ],
    [
      'none',
      'vendor-broken',
      (_, socket) => {
        socket.destroy()
        return []
      },
    ],
  ]
  for (const [name, reason, answer] of cases) {
    test(name, async () => {
      const reply = await answered(answer)
      expect([reply.status, reply.reason]).toEqual([502, reason])
      expect(reply.body).not.toContain(vendorKey)
    })
  }

  test('too slow; and a caller that does not go on with its body hears that it is its own doing', async () => {
    await impatient()
    const half = `POST /acme/v2 HTTP/1.1\r\nhost: ${broker.host}\r\ncontent-length: 2\r\n\r\na`
    const [reply, own] = await Promise.all([
      answered(() => []),
      broker.raw(half, web).then(parseReply),
    ])
    expect([reply.status, reply.reason]).toEqual([504, 'vendor-timeout'])
    expect([own.status, own.reason]).toEqual([408, 'caller-slow'])
  })
})

test('an answer that breaks off, or grows too large, is cut and does not pass for a whole one', async () => {
  const cut: readonly Answer[] = [
    (_, socket) => {
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhalf')
      return []
    },
    () => [
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
      ...Array<string>(12).fill(`200\r\n${'a'.repeat(512)}\r\n`),
      '0\r\n\r\n',
    ],
    () => ['HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhalf'],
  ]
  for (const [at, answer] of cut.entries()) {
    if (at === cut.length - 1) await impatient()
    broker.vendor.answer = answer
    const text = await broker.raw(`GET /acme/v2 HTTP/1.1\r\nhost: ${broker.host}\r\n\r\n`, web)
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(text.endsWith('\r\n0\r\n\r\n')).toBe(false)
    const { headers, body } = parseReply(text)
    expect(body.length).toBeLessThan(Number(headers['content-length'] ?? 6000))
  }
})

test('T8 a redirect is handed back, and nobody follows it', async () => {
  const reply = await answered(
    () =>
      'HTTP/1.1 302 Found\r\nlocation: https://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n',
  )
  expect([reply.status, reply.headers['location']]).toEqual([302, 'https://169.254.169.254/latest'])
  expect(reply.reason).toBeUndefined()
})

test('a vendor sets no cookie, and passes for no broker', async () => {
  const reply = await answered(
    () =>
      'HTTP/1.1 200 OK\r\nset-cookie: session=1\r\ncountersign-refusal: forged\r\nconnection: x-hop\r\nx-hop: 1\r\nx-other: 2\r\ncontent-length: 0\r\n\r\n',
  )
  expect(reply.headers).toMatchObject({ 'x-other': '2' })
  for (const name of ['set-cookie', 'countersign-refusal', 'x-hop'])
    expect(reply.headers).not.toHaveProperty(name)
})

describe('what a vendor sends beyond its answer is no answer', () => {
  const extra = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nextra'
  const named = (name: string) =>
    broker.api.trustDomain.issueX509(SpiffeId.parse(`spiffe://example.org/${name}`))
  const poisoned = async (svid: X509Svid, pieces: readonly string[]): Promise<void> => {
    let first = true
    broker.vendor.answer = () => {
      if (!first) return 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext'
      first = false
      return pieces
    }
    await broker.call({ svid })
  }

  test('to another caller’s call, however soon that is made', async () => {
    const [one, two] = [await named('one'), await named('two')]
    await poisoned(one, ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi', extra])
    for (let at = 0; at < 3; at += 1) {
      expect((await broker.call({ svid: two })).body).toBe('next')
    }
  })

  test('since no two callers share a connection, and one has his own again', async () => {
    const [four, five] = [await named('four'), await named('five')]
    const opened = async (svid: X509Svid) => {
      const before = broker.vendor.connections
      expect((await broker.call({ svid })).status).toBe(200)
      return broker.vendor.connections - before
    }
    expect([await opened(four), await opened(five), await opened(four)]).toEqual([1, 1, 0])
  })

  test('to the same caller’s next call, where it has come by then', async () => {
    const three = await named('three')
    await poisoned(three, [`HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi${extra}`])
    expect((await broker.call({ svid: three })).body).toBe('next')
    for (const socket of broker.vendor.sockets) socket.write(extra)
    await eventually(() => broker.vendor.sockets.size === 0)
    expect((await broker.call({ svid: three })).body).toBe('next')
  })
})

test('RFC 9110 §8.6 an answer without content has no length that somebody could wait for', async () => {
  const reply = await answered(() => 'HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n')
  expect(reply.status).toBe(204)
  expect(reply.headers).not.toHaveProperty('content-length')
})

test('a head leaves before its body, and byte by byte', async () => {
  const head = 'content-disposition: attachment; filename="Müller.pdf"'
  broker.vendor.answer = () => [
    Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\ncontent-length: 2\r\n\r\n`),
  ]
  const socket = await broker.dial(web)
  socket.write(`GET /acme/v2 HTTP/1.1\r\nhost: ${broker.host}\r\n\r\n`)
  const first: Buffer = await new Promise((resolve) => socket.once('data', resolve))
  socket.destroy()
  expect(first.toString()).toContain(`\r\n${head}\r\n`)
})

test('bodies go both ways as they come', async () => {
  const reached = Promise.withResolvers<void>()
  broker.vendor.answer = () => [
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
    '6\r\nfirst\n\r\n',
  ]
  const socket = await broker.dial(web)
  socket.write(`GET /acme/v2/stream HTTP/1.1\r\nhost: ${broker.host}\r\n\r\n`)
  let text = ''
  socket.on('data', (data) => {
    text += String(data)
    if (text.includes('first\n')) reached.resolve()
  })
  await reached.promise
  socket.destroy()
  // A caller that leaves takes its call along.
  await eventually(() =>
    broker.trail().some(({ kind, reason }) => kind === 'broker.failed' && reason === 'caller-left'),
  )
})

test('a body that nobody waits for any more is not read to its end', async () => {
  broker.vendor.early = () => 'HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno'
  const socket = await broker.dial(web)
  let text = ''
  socket.on('data', (data) => {
    text += String(data)
  })
  const head = `POST /acme/v2 HTTP/1.1\r\nhost: ${broker.host}\r\ncontent-length: 100`
  socket.write(`${head}\r\n\r\nfirst`)
  await new Promise((resolve) => socket.once('close', resolve))
  broker.vendor.early = undefined
  expect(parseReply(text)).toMatchObject({ status: 413, body: 'no' })
})

test('HEAD has no body, however large that were, and a connection is used again', async () => {
  const reply = await answered(() => 'HTTP/1.1 200 OK\r\ncontent-length: 7777\r\n\r\n', 'HEAD')
  expect([reply.status, reply.headers['content-length'], reply.body]).toEqual([200, '7777', ''])
  const before = broker.vendor.connections
  broker.vendor.answer = () => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'
  const socket = await broker.dial(web)
  for (let at = 0; at < 3; at += 1) {
    socket.write(`GET /acme/v2 HTTP/1.1\r\nhost: ${broker.host}\r\n\r\n`)
    await new Promise((resolve) => socket.once('data', resolve))
  }
  socket.destroy()
  expect(broker.vendor.connections - before).toBeLessThanOrEqual(1)
})

test('a connection that the vendor shut while it lay idle costs no call', async () => {
  let socketOf: { destroy(): unknown } | undefined
  await answered((_, socket) => {
    socketOf = socket
    return 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'
  })
  // Not told of it before the next request is under way.
  const next = broker.call({ svid: web })
  socketOf?.destroy()
  expect((await next).status).toBe(200)
})

describe('nothing is sent a second time', () => {
  /** A call on a connection that the vendor ends as soon as it has heard of it. */
  const onWorn = async (name: string, call: (svid: X509Svid) => Promise<Reply>) => {
    const svid = await broker.api.trustDomain.issueX509(
      SpiffeId.parse(`spiffe://example.org/${name}`),
    )
    broker.vendor.answer = () => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'
    expect((await broker.call({ svid })).status).toBe(200)
    broker.vendor.answer = (_, socket) => {
      socket.destroy()
      return []
    }
    broker.vendor.requests.length = 0
    const { reason } = await call(svid)
    return [reason, broker.vendor.requests.length]
  }

  test('that may have done something', async () => {
    for (const method of ['DELETE', 'POST']) {
      const call = (svid: X509Svid) => broker.call({ svid, method })
      expect(await onWorn(`worn-${method.toLowerCase()}`, call)).toEqual(['vendor-broken', 1])
    }
  })

  test('more than once, and on a connection of its own not even that', async () => {
    expect(await onWorn('worn-get', (svid) => broker.call({ svid }))).toEqual(['vendor-broken', 2])
    const svid = await broker.api.trustDomain.issueX509(SpiffeId.parse('spiffe://example.org/new'))
    expect((await broker.call({ svid })).reason).toBe('vendor-broken')
    expect(broker.vendor.requests).toHaveLength(3)
  })
})

test('T21 T28 the key is in no log, trail, metric or file of the broker, whatever comes', async () => {
  for (const answer of [
    () => `HTTP/1.1 200 ${vendorKey}\r\nx: ${vendorKey}\r\ncontent-length: 32\r\n\r\n${vendorKey}`,
    () => `${vendorKey} ${vendorKey}\r\n\r\n`,
    () => `HTTP/1.1 200 OK\r\n${vendorKey}\0: a\r\n\r\n`,
    () => `HTTP/1.1 302 OK\r\nlocation: /${vendorKey}\r\ncontent-length: 0\r\n\r\n`,
  ]) {
    expect(JSON.stringify(await answered(answer))).not.toContain(vendorKey)
  }
  await broker.call({ svid: web, path: '/acme/v2/\u001b]0;x' })
  await broker.call({ svid: web, path: '/acme/v2/%0a%7b' })
  expect(await broker.metrics()).not.toContain(vendorKey)
  const kept = [
    broker.log(),
    readFileSync(broker.config.auditFile, 'utf8'),
    readFileSync(`${broker.config.dataDir}/credentials.json`, 'utf8'),
  ]
  for (const text of kept) {
    for (const form of [vendorKey, Buffer.from(vendorKey).toString('base64').slice(0, -4)]) {
      expect(text).not.toContain(form)
    }
    for (const line of text.trim().split('\n')) {
      expect(() => JSON.parse(line)).not.toThrow()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/)
    }
  }
})

import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { parseReply, readAnswer } from '../support/broker-reply.ts'
import { caller, type RunningBroker, startBroker, vendorKey } from '../support/running-broker.ts'

let broker: RunningBroker
let web: X509Svid

beforeAll(async () => {
  broker = await startBroker({
    acme: {
      svid_alone: true,
      paths: ['/**'],
      request_headers: ['X-Acme-Version'],
      max_request_bytes: 1000,
    },
  })
  web = await broker.api.trustDomain.issueX509(SpiffeId.parse(caller))
})

afterAll(() => broker?.stop())

/** What the broker answers to these lines, and that the vendor has heard nothing of them. */
async function refused(...lines: readonly string[]): Promise<string> {
  const before = broker.vendor.requests.length
  const answer = await broker.raw(lines.join('\r\n'), web)
  expect(broker.vendor.requests.length).toBe(before)
  const { reason, status } = parseReply(answer)
  return `${status} ${reason}`
}

describe('what two readers may take for two messages never reaches the vendor:', () => {
  const host = () => `Host: ${broker.host}`
  const get = 'GET /acme/a HTTP/1.1'
  const post = 'POST /acme/a HTTP/1.1'
  const cases: readonly (readonly [
    name: string,
    expected: string,
    lines: () => readonly string[],
  ])[] = [
    ['two Hosts', '400 host-count', () => [get, host(), host(), '', '']],
    [
      'two Hosts, the second of another place',
      '400 host-count',
      () => [get, host(), 'Host: evil.test', '', ''],
    ],
    ['no Host', '400 host-count', () => [get, 'accept: */*', '', '']],
    ['the Host of another place', '400 host-other', () => [get, 'Host: evil.test', '', '']],
    [
      'two lengths that differ',
      '400 framing',
      () => [post, host(), 'Content-Length: 1', 'Content-Length: 2', '', 'ab'],
    ],
    [
      'two lengths that are the same',
      '400 framing',
      () => [post, host(), 'Content-Length: 1', 'Content-Length: 1', '', 'a'],
    ],
    ['two lengths in one', '400 framing', () => [post, host(), 'Content-Length: 1, 1', '', 'a']],
    ['a length with a sign', '400 framing', () => [post, host(), 'Content-Length: +1', '', 'a']],
    [
      'a length and chunks',
      '400 framing',
      () => [post, host(), 'Content-Length: 5', 'Transfer-Encoding: chunked', '', '0', '', ''],
    ],
    [
      'chunks and a length',
      '400 framing',
      () => [post, host(), 'Transfer-Encoding: chunked', 'Content-Length: 5', '', '0', '', ''],
    ],
    [
      'another coding',
      '400 framing',
      () => [post, host(), 'Transfer-Encoding: gzip, chunked', '', '0', '', ''],
    ],
    [
      'a coding that hides itself',
      '400 http-malformed',
      () => [post, host(), 'Transfer-Encoding : chunked', '', '0', '', ''],
    ],
    [
      'a coding behind a tab',
      '400 http-malformed',
      () => [post, host(), 'Transfer-Encoding:\x0bchunked', '', '0', '', ''],
    ],
    [
      'two codings',
      '400 framing',
      () => [
        post,
        host(),
        'Transfer-Encoding: chunked',
        'Transfer-Encoding: identity',
        '',
        '0',
        '',
        '',
      ],
    ],
    ['a folded line', '400 http-malformed', () => [get, host(), 'X: a', ' b', '', '']],
    ['a bare line feed', '400 http-version', () => [`${get}\n${host()}\n\n`]],
    ['a NUL in a value', '400 http-malformed', () => [get, host(), 'X: a\0b', '', '']],
    ['a body with GET', '400 body-unexpected', () => [get, host(), 'Content-Length: 1', '', 'a']],
    ['HTTP/1.0', '400 http-version', () => ['GET /acme/a HTTP/1.0', host(), '', '']],
    [
      'HTTP/2 by upgrade',
      '400 upgrade',
      () => [
        get,
        host(),
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AA',
        '',
        '',
      ],
    ],
    [
      'a WebSocket',
      '400 upgrade',
      () => [get, host(), 'Connection: Upgrade', 'Upgrade: websocket', '', ''],
    ],
    ['what is expected of nobody', '400 expectation', () => [get, host(), 'Expect: more', '', '']],
    ['Upgrade without Connection', '400 upgrade', () => [get, host(), 'Upgrade: h2c', '', '']],
    ['CONNECT', '400 method-connect', () => [`CONNECT ${broker.host} HTTP/1.1`, host(), '', '']],
    ['TRACE', '405 method-not-allowed', () => ['TRACE /acme/a HTTP/1.1', host(), '', '']],
    [
      'a method in lower case',
      '400 method-unknown',
      () => ['get /acme/a HTTP/1.1', host(), '', ''],
    ],
    ['PRI', '400 http-malformed', () => ['PRI * HTTP/2.0', '', 'SM', '', '']],
    [
      'a URL of another place',
      '400 target-authority',
      () => ['GET https://evil.test/acme/a HTTP/1.1', host(), '', ''],
    ],
    [
      'a URL whose user info is this place',
      '400 target-authority',
      () => [`GET https://${broker.host}@evil.test/acme/a HTTP/1.1`, host(), '', ''],
    ],
    ['the asterisk', '400 target-form', () => ['OPTIONS * HTTP/1.1', host(), '', '']],
    [
      'a head that is too large',
      '431 head-too-large',
      () => [get, host(), `X: ${'a'.repeat(20_000)}`, '', ''],
    ],
    [
      'too many headers',
      '400 headers-many',
      () => [get, host(), ...Array.from({ length: 120 }, (_, at) => `X-${at}: a`), '', ''],
    ],
    [
      'a target that is too large',
      '414 target-too-large',
      () => [`GET /acme/${'a'.repeat(9000)} HTTP/1.1`, host(), '', ''],
    ],
    [
      'a length that is too large',
      '413 body-too-large',
      () => [post, host(), 'Content-Length: 1001', '', 'a'],
    ],
  ]

  for (const [name, expected, lines] of cases) {
    test(name, async () => {
      expect(await refused(...lines())).toBe(expected)
    })
  }

  test('a request that is hidden in the body of another', async () => {
    const hidden = 'GET /acme/hidden HTTP/1.1\r\nHost: x\r\n\r\n'
    const socket = await broker.dial(web)
    socket.write([post, host(), `Content-Length: ${hidden.length}`, '', hidden].join('\r\n'))
    expect(parseReply(await readAnswer(socket)).status).toBe(200)
    const sent = broker.vendor.requests.at(-1) ?? ''
    expect(sent).toMatch(/^POST \/a HTTP\/1\.1\r\n/)
    expect(
      sent.endsWith(`\r\ncontent-length: ${hidden.length}\r\n\r\n${hidden}`) ||
        sent.endsWith(`\r\n\r\n${hidden}`),
    ).toBe(true)
  })

  test('what comes on the same connection behind a request that is refused', async () => {
    const good = ['GET /acme/behind HTTP/1.1', host(), '', ''].join('\r\n')
    for (const first of [
      ['GET /acme/../a HTTP/1.1', host(), '', ''],
      // A body that nobody has read.
      [`PUT /acme/a HTTP/1.1`, host(), 'Content-Length: 1000', '', ''],
    ]) {
      const socket = await broker.dial(web)
      const closed = new Promise((resolve) => socket.once('close', resolve))
      let text = ''
      socket.on('data', (data) => {
        text += String(data)
      })
      socket.write([first.join('\r\n'), good].join(''))
      await closed
      expect(text.split('HTTP/1.1 ')).toHaveLength(2)
      expect(parseReply(text)).toMatchObject({ headers: { connection: 'close' } })
    }
    // Whatever was begun before this one is on record by then.
    expect((await broker.call({ svid: web, path: '/acme/last' })).status).toBe(200)
    expect(JSON.stringify(broker.trail())).not.toContain('/behind')
    expect(JSON.stringify(broker.vendor.requests)).not.toContain('/behind')
  })

  test('more requests than may wait for the answer to the one before them', async () => {
    const good = [get, host(), '', ''].join('\r\n')
    const hi = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'
    for (const [count, expected] of [
      [16, 'HTTP/1.1 200'],
      [17, ''],
    ] as const) {
      const held = Promise.withResolvers<TLSSocket>()
      broker.vendor.answer = (_request, vendor) => {
        held.resolve(vendor)
        return []
      }
      const socket = await broker.dial(web)
      const ended = new Promise<string>((resolve) => {
        socket.once('data', (data) => resolve(String(data)))
        socket.once('close', () => resolve(''))
      })
      socket.write(good)
      const vendor = await held.promise
      broker.vendor.answer = () => hi
      socket.write(good.repeat(count))
      // Behind these the broker has read all that it was sent, or has cut it off.
      if (expected === '') expect(await ended).toBe('')
      vendor.write(hi)
      expect((await ended).slice(0, 12)).toBe(expected)
      socket.destroy()
    }
  })

  test('what cannot be read behind a request that is not answered yet, or not to its end', async () => {
    const [answer, half] = ['HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n', 'half']
    for (const pieces of [[], [answer, half]]) {
      broker.vendor.answer = () => pieces
      const before = broker.vendor.requests.length
      const socket = await broker.dial(web)
      const closed = new Promise((resolve) => socket.once('close', resolve))
      let text = ''
      socket.on('data', (data) => {
        text += String(data)
      })
      socket.write([get, host(), '', ''].join('\r\n'))
      await eventually(() => broker.vendor.requests.length > before)
      if (pieces.length > 0) await eventually(() => text.length > 0)
      socket.write('this is no HTTP\r\n\r\n')
      await closed
      // Of a refusal nothing: it would pass for the answer, or for a part of it.
      expect(text).not.toContain('400')
    }
    broker.vendor.answer = () => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'
  })

  test('what cannot be read of a body whose answer has begun', async () => {
    broker.vendor.early = () => 'HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\nhalf\n'
    const socket = await broker.dial(web)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    let text = ''
    socket.on('data', (data) => {
      text += String(data)
    })
    socket.write([post, host(), 'Transfer-Encoding: chunked', '', '2', 'ab', ''].join('\r\n'))
    await eventually(() => text.includes('half'))
    socket.write('this is no chunk\r\n')
    await closed
    broker.vendor.early = undefined
    expect(text).not.toContain('400')
  })

  test('chunks that grow beyond what a body may be', async () => {
    const chunk = `200\r\n${'a'.repeat(512)}\r\n`
    const before = broker.vendor.requests.length
    const answer = await broker.raw(
      [post, host(), 'Transfer-Encoding: chunked', '', `${chunk}${chunk}0\r\n\r\n`].join('\r\n'),
      web,
    )
    expect(parseReply(answer).reason).toBe('body-too-large')
    expect(broker.vendor.requests.length).toBe(before)
  })

  test('chunk extensions and trailers, of which the vendor gets nothing', async () => {
    const answer = await broker.raw(
      [
        post,
        host(),
        'Transfer-Encoding: chunked',
        'Trailer: X-Acme-Version',
        '',
        '3;a=b',
        'abc',
        '0',
        'X-Acme-Version: 9',
        'Authorization: Bearer x',
        '',
        '',
      ].join('\r\n'),
      web,
    )
    expect(parseReply(answer).status).toBe(200)
    const sent = broker.vendor.requests.at(-1)?.toLowerCase() ?? ''
    expect(sent).toContain('\r\ntransfer-encoding: chunked\r\n')
    expect(sent).toMatch(/\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/)
    expect(sent).not.toMatch(/a=b|trailer|version|authorization/)
  })
})

test.each([
  ['CONNECT', () => `CONNECT ${broker.host} HTTP/1.1\r\nhost: ${broker.host}\r\n\r\n`],
  [
    'an upgrade',
    () =>
      `GET /acme/a HTTP/1.1\r\nhost: ${broker.host}\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n`,
  ],
])('who is turned away with %s and does not hang up keeps no connection', async (_, bytes) => {
  const socket = await broker.dial(web)
  socket.allowHalfOpen = true
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const ended = new Promise((resolve) => socket.resume().once('end', resolve))
  socket.write(bytes())
  await ended
  // Nobody is there to take this.
  const again = setInterval(() => socket.write('a'), 5)
  await closed.finally(() => clearInterval(again))
})

describe('one form of the path is decided on and sent:', () => {
  const sentPath = async (target: string): Promise<string> => {
    const reply = await broker.call({ svid: web, path: target })
    if (reply.reason !== undefined) return reply.reason
    return broker.vendor.requests.at(-1)?.split(' ')[1] ?? ''
  }
  const cases: readonly (readonly [target: string, path: string])[] = [
    ['/acme/a/b', '/a/b'],
    ['/acme', '/'],
    ['/acme/', '/'],
    ['/acme/a/', '/a/'],
    ['/%61cme/%7Eb%2d%5f', '/~b-_'],
    ['/acme/%c3%a9%20', '/%C3%A9%20'],
    ['/acme/a?x=%2f..%2f&y=/../', '/a?x=%2f..%2f&y=/../'],
    ['/acme/..%2fadmin', 'path-encoded-slash'],
    ['/acme/a/../admin', 'path-dot-segment'],
    ['/acme/a/%2e%2E/admin', 'path-dot-segment'],
    ['/acme/a/./admin', 'path-dot-segment'],
    ['/acme/a/..', 'path-dot-segment'],
    ['/acme/..;/admin', 'path-parameter'],
    ['/acme/a%3b/b', 'path-parameter'],
    ['/acme//admin', 'path-empty-segment'],
    ['//acme/a', 'path-empty-segment'],
    ['/', 'path-empty-segment'],
    ['/acme/a\\admin', 'path-backslash'],
    ['/acme/a%5cadmin', 'path-backslash'],
    ['/acme/%252e%252e/admin', 'path-double-encoding'],
    ['/acme/%25%32%65/admin', 'path-double-encoding'],
    ['/acme/a%00', 'path-control'],
    ['/acme/a%0d%0aX:%20b', 'path-control'],
    ['/acme/%c0%ae%c0%ae/admin', 'path-encoding'],
    ['/acme/%ef%bc%8e%ef%bc%8e/admin', 'path-encoding'],
    ['/acme/a%ef%bc%8fadmin', 'path-encoding'],
    ['/acme/a%2', 'path-encoding'],
    ['/acme/a%u002e', 'path-encoding'],
    ['/acme/a#b', 'path-character'],
    ['/acme/a|b', 'path-character'],
    ['/acme/a?b=[c]', 'query-character'],
    ['/acme/a?access_token=x', 'query-token'],
    ['/acme/a?b;%41ccess_token=x', 'query-token'],
    ['/acme/a?access.token=x', 'query-token'],
    ['/acme/a?method=a&text=%0A%25&&+b', '/a?method=a&text=%0A%25&&+b'],
    ['/acme/a?_method=DELETE', 'query-method'],
    ['/acme/a?b=c;%5FMethod=DELETE', 'query-method'],
    ['/acme/a?.method=DELETE', 'query-method'],
    ['/acme/a?+_method%5B%5D=DELETE', 'query-method'],
    ['/acme/a?X-HTTP-Method-Override=DELETE', 'query-method'],
    ['/acme/a?X-HTTP-Method=DELETE', 'query-method'],
    ['/acme/a?x_method_override=DELETE', 'query-method'],
    // As some fold full-width letters and the sign before them.
    ['/acme/a?%EF%BC%BFmethod=DELETE', 'query-method'],
    ['/acme/a?%EF%BD%81ccess_token=x', 'query-token'],
    ['/acme/a?%255Fmethod=DELETE', 'query-double-encoding'],
    ['/acme/a?_method%0a=DELETE', 'query-control'],
    ['/acme/a?b=c%00', 'query-control'],
    ['/acme/a?%ff=c', 'path-encoding'],
  ]
  for (const [target, path] of cases) {
    test(`${target} → ${path}`, async () => {
      expect(await sentPath(target)).toBe(path)
    })
  }

  test('a URL that names the broker itself is the same', async () => {
    expect(await sentPath(`https://${broker.host}/acme/a?b`)).toBe('/a?b')
  })
})

test('T30 nothing that says who asks reaches the vendor, whatever it is called', async () => {
  const forged = [
    ...['Authorization: Basic Zm9yZ2Vk', 'Proxy-Authorization: forged', 'Cookie: forged=1'],
    ...['X-Api-Key: forged', 'X-Auth-Token: forged', 'X-Amz-Security-Token: forged'],
    ...['X-Forwarded-For: forged', 'Forwarded: for=forged', 'X-Real-IP: forged', 'Via: forged'],
    ...[
      'X-Client-Cert: forged',
      'X-Forwarded-Client-Cert: forged',
      'X-HTTP-Method-Override: FORGED',
    ],
    ...['Range: bytes=0-1', 'Accept-Encoding: gzip', 'Countersign-Forged: 1', 'TE: trailers'],
    ...['Connection: X-Acme-Version, close', 'DPoP: forged', 'Workload-Identity-Token: forged'],
  ]
  const token = await broker.token()
  const headers = [...forged.slice(1), 'X-Acme-Version: 7', 'Accept: a/b', 'Accept: c/d']
  expect((await broker.call({ token, headers })).status).toBe(200)
  const [head = ''] = (broker.vendor.requests.at(-1) ?? '').split('\r\n\r\n')
  expect(head.split('\r\n').slice(1).sort()).toEqual([
    'Connection: keep-alive',
    'accept-encoding: identity',
    'accept: a/b, c/d',
    `host: ${new URL(broker.config.integrations[0]?.upstream ?? '').host}`,
    `x-api-key: ${vendorKey}`,
  ])
  // What Connection lists is for this hop; else the integration's own header goes on.
  await broker.call({ svid: web, headers: ['X-Acme-Version: 7'] })
  expect(broker.vendor.requests.at(-1)).toContain('\r\nx-acme-version: 7\r\n')
  // Two credentials are none.
  expect((await broker.call({ token, headers: ['Authorization: Bearer x'] })).reason).toBe(
    'token-repeated',
  )
  expect((await broker.call({ svid: web, headers: ['Authorization: Basic x'] })).reason).toBe(
    'token-missing',
  )
})

test('a caller that waits for leave to send its body gets it once it is let in', async () => {
  const ask = async (path: string) => {
    const socket = await broker.dial(web)
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: ${broker.host}\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n`,
    )
    const first = await new Promise<string>((resolve) =>
      socket.once('data', (data) => resolve(String(data))),
    )
    if (first.startsWith('HTTP/1.1 100')) socket.write('hi')
    const rest = first.startsWith('HTTP/1.1 100') ? await readAnswer(socket) : first
    socket.destroy()
    return [first.split('\r\n')[0], parseReply(rest).status]
  }
  expect(await ask('/acme/a')).toEqual(['HTTP/1.1 100 Continue', 200])
  expect(await ask('/acme/../a')).toEqual(['HTTP/1.1 400 Bad Request', 400])
})

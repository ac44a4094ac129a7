import fc from 'fast-check'

/** Requests as nobody's library would send them. `lines` are good at the doors in question. */
export interface Words {
  readonly targets: readonly string[]
  readonly lines: readonly string[]
}

const READ_BYTES = 65_536
const methods = ['GET', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'CONNECT', 'TRACE', 'DELETE']
const oddMethods = ['get', 'PRI', 'M-SEARCH', 'SOURCE', 'QUERY', '', 'G E T', 'X'.repeat(300)]
const oddTargets = [
  ...[
    '*',
    '/',
    '',
    'a',
    'evil.example:443',
    'https://evil.example/oauth/token',
    '//',
    '/%',
    '/%00',
  ],
  ...['/../..', '/%2e%2e/', '/a?b=%', '/é', '/a#b', `/${'a'.repeat(20_000)}`, '?', '/?a=1&a=2'],
]
const versions = ['HTTP/1.0', 'HTTP/2.0', 'HTTP/1.2', 'HTTP/0.9', 'HTTP/1', '', 'ICE/1.0']
const framing = [
  ...['content-length: 3', 'content-length: 0', 'content-length: 40000', 'content-length: -1'],
  ...['content-length: 99999999999999999999', 'content-length: 3, 3', 'content-length: 0x3'],
  ...['content-length: 3\r\ncontent-length: 4', 'content-length: 3\r\ncontent-length: 3'],
  ...['transfer-encoding: chunked', 'transfer-encoding: gzip', 'transfer-encoding: identity'],
  ...['transfer-encoding: chunked, chunked', 'transfer-encoding:\x0bchunked'],
  ...['transfer-encoding: gzip, chunked', 'transfer-encoding: chunked\r\ncontent-length: 3'],
]
const oddLines = [
  ...['expect: 100-continue', 'expect: 200-ok', 'connection: close', 'connection: keep-alive'],
  ...['connection: upgrade\r\nupgrade: websocket', 'connection: upgrade\r\nupgrade: h2c'],
  ...['connection: content-length, host', 'keep-alive: timeout=0', 'te: trailers', 'trailer: a'],
  ...['host: other.example', 'host:', 'authorization: Bearer x', 'authorization: Basic eDp5'],
  ...['content-type: application/x-www-form-urlencoded', 'content-type: application/json'],
  ...['content-encoding: gzip', 'accept-encoding: gzip', 'range: bytes=0-0', 'last-event-id: 0'],
  ...[
    'traceparent: 00-x',
    'a: b\r\n c',
    'no colon',
    ': none',
    'a b: c',
    'a\0: b',
    'a: \0',
    'a: \xff',
  ],
  ...['a: b\n', 'cookie: a=b', '__proto__: a', `a: ${'b'.repeat(17_000)}`, 'a: b\r\n'.repeat(1500)],
]
const bodies = [
  ...['', 'a=b', 'grant_type=client_credentials', 'x'.repeat(40_000), '{"a":1}', '\0\0\0'],
  ...[
    '3\r\na=b\r\n0\r\n\r\n',
    '3;ext=1\r\na=b\r\n0\r\na: b\r\n\r\n',
    'ZZ\r\n',
    '-1\r\n',
    '3\r\na=',
    '0\r\n',
  ],
  ...['ffffffffffffffff\r\n', '3\na=b\n0\n\n', `3;${'e'.repeat(20_000)}\r\na=b\r\n0\r\n\r\n`],
  `0\r\n${'a: b\r\n'.repeat(3000)}\r\n`,
]

const or = (sound: readonly string[], odd: readonly string[], weight: number) =>
  fc.oneof(
    { weight, arbitrary: fc.constantFrom(...sound) },
    { weight: 1, arbitrary: fc.constantFrom(...odd) },
  )

function request({ targets, lines }: Words): fc.Arbitrary<string> {
  return fc
    .record({
      method: or(methods, oddMethods, 9),
      target: or(targets, oddTargets, 4),
      version: or(['HTTP/1.1'], versions, 9),
      sound: fc.subarray([...lines], { minLength: Math.max(0, lines.length - 1) }),
      framed: fc.array(fc.constantFrom(...framing), { maxLength: 1 }),
      odd: fc.array(fc.constantFrom(...oddLines), { maxLength: 2 }),
      body: fc.constantFrom(...bodies),
    })
    .map(({ method, target, version, sound, framed, odd, body }) =>
      [`${method} ${target} ${version}`, ...sound, ...framed, ...odd, '', body].join('\r\n'),
    )
}

/** One request or some behind each other; or as many that are alike, and sound, as a read of the server's holds. */
export function requestsOf(words: Words): fc.Arbitrary<Uint8Array> {
  const one = request(words)
  const alike = fc.constantFrom(...words.targets).map((target) => {
    const text = [`GET ${target} HTTP/1.1`, ...words.lines, '', ''].join('\r\n')
    return text.repeat(Math.floor(READ_BYTES / text.length))
  })
  return fc
    .oneof(
      { weight: 6, arbitrary: one },
      { weight: 3, arbitrary: fc.array(one, { maxLength: 4 }).map((some) => some.join('')) },
      { weight: 1, arbitrary: alike },
    )
    .map((text) => Buffer.from(text, 'latin1'))
}

const statusLines = [
  ...['HTTP/1.1 200 OK', 'HTTP/1.1 200', 'HTTP/1.0 200 OK', 'HTTP/1.1 204 X', 'HTTP/1.1 304 X'],
  ...['HTTP/1.1 401 X', 'HTTP/1.1 302 X\r\nlocation: /', 'HTTP/1.1 206 X', 'HTTP/1.1 999 X'],
  ...[
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK',
    'HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x',
  ],
  ...['HTTP/1.1 103 X\r\n\r\n'.repeat(500), 'HTTP/1.1 099 X', 'HTTP/1.1 000 X', 'HTTP/2.0 200 OK'],
  ...['hi', '', 'HTTP/1.1 20', 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK'],
]

/** What a vendor may answer. */
export const answers: fc.Arbitrary<Uint8Array> = fc
  .record({
    status: fc.constantFrom(...statusLines),
    framed: fc.array(fc.constantFrom(...framing), { maxLength: 2 }),
    odd: fc.array(fc.constantFrom(...oddLines), { maxLength: 2 }),
    body: fc.constantFrom(...bodies),
  })
  .map(({ status, framed, odd, body }) =>
    Buffer.from([status, ...framed, ...odd, '', body].join('\r\n'), 'latin1'),
  )

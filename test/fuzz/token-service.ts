import { connect } from 'node:tls'
import fc from 'fast-check'
import { CountersignError } from '../../src/errors.ts'
import { assertionType, issuer, orders } from '../support/oauth.ts'
import { editedText } from '../support/text-edits.ts'
import { withByteEdits } from './bytes.ts'
import { type FuzzStand, openFuzzStand } from './stand.ts'
import type { Target } from './target.ts'

/** Where the server is that issues tokens, and what a client of it holds. */
export interface TokenStandAddress {
  readonly port: number
  /** PEM. */
  readonly ca: string
  readonly shown: { readonly cert: string; readonly key: string }
  readonly tokens: readonly string[]
  readonly assertion: string
  readonly stock: string
}

// Whoever has not been told anything for so long leaves.
const quietMs = 100

/** HTTP at a real token service, from a client that it knows and from a stranger. */
export const tokenService: Target = {
  name: 'token-service',
  async open() {
    const stand = await openFuzzStand<TokenStandAddress>('token-stand-process.ts')
    return {
      // The first octet says whether the certificate is shown.
      inputs: fc
        .tuple(fc.constantFrom(0, 1, 1, 1), withByteEdits(requestsTo(stand.at)))
        .map(([shows, request]) => Buffer.concat([Buffer.of(shows), request])),
      async take(input) {
        const answer = await send(stand, input)
        stand.check()
        const [, status = ''] =
          /^(?:HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 (\d{3}) /.exec(answer) ?? []
        if (status === '500') throw new Error(answer)
        if (!status.startsWith('2')) {
          throw new CountersignError('invalid', answer.slice(0, 100), { reason: 'refused' })
        }
      },
      workedMs: stand.loopMs,
      descriptors: stand.descriptors,
      [Symbol.asyncDispose]: () => stand[Symbol.asyncDispose](),
    }
  },
}

function requestsTo({ tokens, assertion, stock }: TokenStandAddress): fc.Arbitrary<Uint8Array> {
  const type = (name: string): string => `urn:ietf:params:oauth:token-type:${name}`
  const values: Readonly<Record<string, readonly string[]>> = {
    grant_type: [
      ...['client_credentials', 'client_credentials'],
      ...['urn:ietf:params:oauth:grant-type:token-exchange', 'authorization_code'],
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
    ],
    resource: [orders, stock, 'x'],
    audience: [orders, stock],
    scope: ['orders:read', 'stock:read', 'orders:read orders:write', ' ', 'a'.repeat(2000)],
    subject_token: [...tokens, assertion, 'a.b.c'],
    subject_token_type: [type('access_token'), type('jwt'), type('id_token'), 'x'],
    requested_token_type: [type('access_token'), 'urn:countersign:token-type:x509-svid'],
    actor_token: [assertion, ...tokens.slice(0, 1)],
    actor_token_type: [type('jwt'), type('access_token')],
    client_id: ['spiffe://example.org/web', 'spiffe://other.example/a', 'web'],
    client_assertion: [assertion],
    client_assertion_type: [assertionType, type('jwt')],
    token: [...tokens, assertion, 'x'],
    token_type_hint: ['access_token', 'refresh_token'],
    csr: ['AAAA', 'MIIB'],
    key: ['x', 'cs_'],
    address: ['127.0.0.1', '::1', 'x'],
    method: ['GET'],
  }
  const own = { client_id: 'spiffe://example.org/web' }
  const exchange = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: type('access_token'),
  }
  const issue = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  const sound: readonly (readonly [path: string, values: Readonly<Record<string, string>>])[] = [
    ['/oauth/token', issue],
    ['/oauth/token', { ...issue, resource: stock, scope: 'stock:read' }],
    ...tokens.flatMap((token): typeof sound => [
      ['/oauth/token', { ...exchange, subject_token: token, resource: stock, scope: 'stock:read' }],
      [
        '/oauth/token',
        { ...exchange, subject_token: token, resource: orders, scope: 'orders:read' },
      ],
      ['/oauth/introspect', { token }],
    ]),
    ['/oauth/revoke', { token: tokens[0] ?? '' }],
    ['/oauth/legacy', { key: 'x', address: '127.0.0.1', resource: orders, scope: 'orders:read' }],
  ]
  const names = Object.keys(values)
  const said = fc
    .constantFrom(...names)
    .chain((name) => fc.tuple(fc.constant(name), fc.constantFrom(...(values[name] ?? ['']))))
  const changes = fc.oneof(
    fc.constant([]),
    fc.array(fc.oneof(said, fc.tuple(fc.constantFrom(...names), fc.constant(''))), {
      maxLength: 3,
    }),
  )
  const pieces = ['&', '=', '%', '%00', '+', '&scope=', '%ff', '&resource=a', ';', '\r\n', '[]']
  const forms = fc.tuple(fc.constantFrom(...sound), changes).chain(([[path, form], changed]) => {
    const sent = new URLSearchParams({ ...own, ...form, ...Object.fromEntries(changed) }).toString()
    const body = fc.oneof(
      { weight: 4, arbitrary: fc.constant(sent) },
      { weight: 1, arbitrary: editedText(fc.constant(sent), pieces) },
    )
    return body.map((text) => ['POST', path, 'application/x-www-form-urlencoded', text] as const)
  })
  const json = (value: unknown): string => JSON.stringify(value)
  const client = 'client_id=spiffe%3A%2F%2Fexample.org%2Fweb'
  const bodies = fc.constantFrom(
    ...['', '{}', '[]', '{"ack":["a"]}', '{"maxEvents":0}', '{"maxEvents":1e400}', '{"ack":[1]}'],
    json({ returnImmediately: true, setErrs: { a: { err: 'x' } } }),
    json({ stream_id: 'events', state: 'x' }),
    json({ stream_id: 'events', state: 'x'.repeat(5000) }),
    '{"__proto__":{}}',
    '{"a":'.repeat(100),
  )
  const events = fc
    .tuple(
      fc.constantFrom(
        `/oauth/ssf/poll/events?${client}`,
        `/oauth/ssf/poll/x?${client}`,
        `/oauth/ssf/verify?${client}`,
      ),
      bodies,
    )
    .map(([path, body]) => ['POST', path, 'application/json', body] as const)
  const nonce = `nonce=abcdefghijklmnopqrst&${client}`
  const others = fc
    .constantFrom(
      ...['/.well-known/oauth-authorization-server', '/oauth/jwks', '/oauth/feed-keys', '/'],
      ...[
        '/.well-known/ssf-configuration',
        '/oauth/ssf/keys',
        `/oauth/ssf/streams?${client}`,
        '/%zz',
        '//',
      ],
      ...[
        `/oauth/ssf/status?stream_id=events&${client}`,
        `/oauth/ssf/streams?stream_id=a&stream_id=b&${client}`,
      ],
      ...[
        `/oauth/ssf/status?stream_id[a]=b&${client}`,
        `/oauth/feed?${nonce}`,
        '/oauth/feed?nonce=a&nonce=b',
      ],
      ...[
        `/oauth/feed/acknowledge?${nonce}&head=x&delay=5`,
        '/oauth/feed/acknowledge',
        '/oauth/ssf/poll/%2e',
      ],
    )
    .map((path) => [path.includes('ack') ? 'POST' : 'GET', path, '', ''] as const)
  const odd = fc.constantFrom(
    ...[
      '',
      '',
      '',
      'Accept: application/token-introspection+jwt',
      `Authorization: Bearer ${assertion}`,
    ],
    ...[`Authorization: Bearer ${tokens[0]}`, 'Authorization: Basic eDp5', 'Authorization: Bearer'],
    ...[
      'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'Last-Event-ID: a.5',
    ],
    ...['Expect: 100-continue', 'Content-Encoding: gzip', 'Upgrade: h2c', 'Origin: null', 'X: é'],
    ...['Transfer-Encoding: chunked', 'Content-Length: 5', 'Host: b', 'Accept: */*;q=0', 'DPoP: x'],
  )
  return fc
    .tuple(fc.oneof({ weight: 3, arbitrary: forms }, events, others), odd)
    .map(([[method, path, media, body], header]) => {
      const head = [
        ...[`${method} ${path} HTTP/1.1`, `Host: ${new URL(issuer).host}`, 'Connection: close'],
        ...(method === 'POST' ? [`Content-Length: ${Buffer.byteLength(body)}`] : []),
        ...(media === '' ? [] : [`Content-Type: ${media}`]),
        ...(header === '' ? [] : [header]),
      ]
      return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)
    })
}

/** What is answered until the server hangs up, or has nothing more to say. */
function send({ at }: FuzzStand<TokenStandAddress>, input: Uint8Array): Promise<string> {
  const shown = input[0] === 0 ? {} : at.shown
  const to = { host: '127.0.0.1', port: at.port, servername: 'localhost', ca: at.ca, ...shown }
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(to, () => {
      socket.write(input.subarray(1))
      socket.setTimeout(quietMs, () => socket.destroy())
    })
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
    })
    // To be hung up on is an answer too.
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
  })
}

import { expect } from 'vitest'
import { eventually } from '../../src/testing/eventually.ts'
import { identityHeaders } from './identity-headers.ts'
import { askRaw, type ProxiedService, type Shown } from './proxied-service.ts'

/** A proxy in front of a service, with what its clients may show. */
export interface ProxyTrial {
  readonly port: number
  readonly service: ProxiedService
  readonly web: string
  readonly client: Shown
  readonly thief: Shown
  /** Who comes with a token that is bound to nothing: without a certificate, where the proxy lets in such. */
  readonly anybody: Shown
  /** The client's, PEM, percent-encoded. */
  readonly certificate: string
  /** `Bearer …`, for `GET /orders`: bound to the client's certificate, and to none. */
  readonly bound: string
  readonly unbound: string
  /** The issuer revokes the token that is bound to the client's certificate. */
  revoke(): void
  /** Headers that do not come through either, beside those that no proxy lets through. */
  readonly also?: readonly string[]
  /** How it answers where the request is none that it takes. */
  readonly malformed: readonly number[]
}

/** What has to hold with each proxy: who is let in, who is not, and that nobody names himself. */
export async function tryProxy(trial: ProxyTrial): Promise<void> {
  const { port, service, web, client, thief, anybody } = trial
  const { certificate, bound, unbound, also = [], malformed } = trial
  type Headers = readonly (readonly [string, string])[]
  let trials = 0
  const askOnce = async (line: string, headers: Headers, shown: Shown) => {
    trials += 1
    const trial = String(trials)
    const marked: Headers = [...headers, ['x-trial', trial]]
    const { status, text } = await askRaw(port, shown, line, marked)
    const reached = service.reached.filter((one) => one.headers['x-trial'] === trial)
    return { status, text, reached }
  }
  /** Again while nothing can be decided: a busy machine lets what is known of revocations get old. */
  const ask = async (line: string, headers: Headers, shown: Shown = client) => {
    let answer = await askOnce(line, headers, shown)
    await eventually(async () => {
      if (![500, 503].includes(answer.status)) return true
      expect(answer.reached).toEqual([])
      answer = await askOnce(line, headers, shown)
      return false
    }, 60_000)
    return answer
  }
  const token: Headers = [['authorization', bound]]

  // Who is let in, and by which names the service hears of it.
  const good = await ask('GET /orders?page=2', token)
  expect(good).toMatchObject({ status: 200, reached: [{ target: 'GET /orders?page=2' }] })
  expect(good.reached[0]?.headers).toMatchObject({
    'countersign-subject': web,
    'countersign-client-id': web,
    'countersign-scope': 'orders:read',
    // One address, the proxy's word. (Envoy's own, where the client's is of the loopback.)
    'x-forwarded-for': expect.stringMatching(/^[0-9a-f.:]+$/),
  })
  const plain = await ask('GET /orders', [['authorization', unbound]], anybody)
  expect(plain.status).toBe(200)

  // Who is not.
  const refused = async (expected: number, line: string, headers: Headers, shown?: Shown) => {
    const { status, text, reached } = await ask(line, headers, shown)
    expect([status, reached]).toEqual([expected, []])
    return text
  }
  expect(await refused(401, 'GET /orders', [])).toMatch(/www-authenticate: Bearer\r\n/i)
  expect(await refused(401, 'GET /orders', token, thief)).toContain('invalid_token')
  await refused(401, 'GET /orders', [['authorization', 'Bearer x.y.z']], anybody)
  if (anybody.cert === undefined) await refused(401, 'GET /orders', token, anybody)
  await refused(403, 'PUT /orders/7', token)
  await refused(403, 'POST /orders', token)
  await refused(403, 'GET /admin', token)

  // A certificate, a method and a path come from the proxy alone.
  const told: readonly Headers[] = [
    [['countersign-certificate', certificate]],
    [['Client-Cert', certificate]],
    [['X-Forwarded-Client-Cert', `Cert="${certificate}"`]],
    [['X-Client-Cert', certificate]],
    [['countersign_certificate', certificate]],
  ]
  for (const headers of told) {
    const { status, reached } = await ask('GET /orders', [...token, ...headers], thief)
    expect([401, ...malformed]).toContain(status)
    expect(reached).toEqual([])
  }
  const elsewhere: Headers = [
    ['countersign-method', 'GET'],
    ['countersign-uri', '/orders'],
  ]
  await refused(403, 'GET /admin', [...token, ...elsewhere])
  await refused(403, 'DELETE /orders', [...token, ...elsewhere])

  // However a path is written, the service gets none that was not decided on.
  for (const path of [
    '/orders/../admin',
    '/orders/..%2fadmin',
    '/%2e%2e/admin',
    '//orders',
    '/orders;x',
    '/orders/%5c..%5cadmin',
    '/orders%00',
  ]) {
    const { status, reached } = await ask(`GET ${path}`, token)
    expect([401, 403, ...malformed]).toContain(status)
    expect(reached).toEqual([])
  }

  // Two tokens are none.
  const twice = await ask('GET /orders', [...token, ['authorization', unbound]])
  expect([401, ...malformed]).toContain(twice.status)
  expect(twice.reached).toEqual([])

  // Nobody names himself: each header twice, in another case, and with an underscore.
  const forge = async (name: string): Promise<void> => {
    const forged: readonly Headers[] = [
      [[name.toUpperCase(), 'forged']],
      [
        [name, 'forged'],
        [name, 'forged'],
      ],
      [[name.replaceAll('-', '_'), 'forged']],
    ]
    for (const headers of forged) {
      const { status, reached } = await ask('GET /orders', [...token, ...headers])
      expect([200, ...malformed], name).toContain(status)
      expect(JSON.stringify(reached), name).not.toContain('forged')
    }
  }
  // Few at a time: the issuer, in this process, has to be heard meanwhile.
  const names = [...identityHeaders, ...also]
  const inTurn = async (): Promise<void> => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) await forge(name)
  }
  await Promise.all([1, 2, 3, 4].map(inTurn))

  // What was revoked is let in no longer, though it would be good for minutes.
  trial.revoke()
  await eventually(async () => (await ask('GET /orders', token)).status === 401, 60_000)
  expect(await refused(401, 'GET /orders', token)).toContain('invalid_token')
}

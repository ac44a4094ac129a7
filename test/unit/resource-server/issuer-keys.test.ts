import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import https, { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import {
  type JwksLocation,
  requireAccessToken,
  type VerifierOptions,
} from 'countersign/resource-server'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { readDocument } from '../../../src/oauth-client/issuer-answer.ts'
import { type IssuerHttps, issuerHttps } from '../../../src/oauth-client/issuer-https.ts'
import { toStatus } from '../../../src/rpc/status.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { freePort } from '../../support/free-port.ts'
import { type WebCertificate, webCertificate } from '../../support/web-certificate.ts'
import { type TestIssuer, testIssuer } from './access-fixtures.ts'

const audience = 'https://orders.example.org'
let web: WebCertificate
let base: string
let asking: IssuerHttps
let clock: FakeClock
let issuer: TestIssuer
let token: string
const server = createServer((request, response) => {
  if (request.url === '/away') response.writeHead(503)
  response.end(request.url === '/large' ? 'x'.repeat(300_000) : '{"keys":7}')
})

beforeAll(async () => {
  web = await webCertificate('localhost')
  server.setSecureContext({ cert: readFileSync(web.certificate), key: readFileSync(web.key) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  base = `https://localhost:${(server.address() as AddressInfo).port}`
})

beforeEach(async () => {
  clock = new FakeClock()
  issuer = await testIssuer(clock)
  token = await issuer.token({ aud: audience, sub: 'a', client_id: 'a' })
  asking = issuerHttps(undefined, [readFileSync(web.ca, 'utf8')], clock)
  onTestFinished(() => asking.close())
})

afterAll(() => {
  server.close()
  rmSync(web.folder, { recursive: true })
})

/** What comes of a token, and what the operator is told meanwhile. */
async function verifyWith(jwks: JwksLocation, options: Partial<VerifierOptions> = {}) {
  const told: CountersignError[] = []
  const onTrouble = (error: CountersignError): void => void told.push(error)
  const verifier = issuer.verifier({ audience, jwks, onTrouble, ...options })
  const verify = () => verifier.verify(token).catch((error: unknown) => error as CountersignError)
  return { verifier, verify, told }
}

const asked = (path: string) => async () => readDocument(await asking.get(`${base}${path}`))
const failing = (error: unknown) => () => Promise.reject(error)
const unavailable = 'the authorization server cannot be asked'

test.for([
  ['nobody listens', async () => `https://localhost:${await freePort()}`, 'ECONNREFUSED'],
  ['the certificate is not believed', () => `${base}/keys`, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  [
    'the issuer is asked by a client, and nobody listens',
    () => async () => readDocument(await asking.get(`https://localhost:${await freePort()}`)),
    `${unavailable}: ECONNREFUSED`,
  ],
  ['the status is another', () => asked('/away'), `${unavailable}: status 503`],
  ['the answer is too large', () => asked('/large'), `${unavailable}: its answer is too large`],
  [
    'it is no set of keys',
    () => asked('/keys'),
    'malformed: the bundle document has no array of keys',
  ],
  [
    'it is no JSON',
    () => async () => 'keys',
    /^malformed: the bundle document is not a sound JSON object: /,
  ],
  // As of `fetch`.
  [
    'what fetches it says why beneath',
    () =>
      failing(
        new TypeError('Bearer x', { cause: Object.assign(new Error('x'), { code: 'ENOTFOUND' }) }),
      ),
    'TypeError: ENOTFOUND',
  ],
] as const)(
  'the operator, and nobody else, is told why keys cannot be fetched: %s',
  async ([, where, why]) => {
    const { verify, told } = await verifyWith(await where())
    const error = (await verify()) as CountersignError
    expect(told).toEqual([error])
    expect(error).toMatchObject({
      ...{ code: 'unavailable', reason: 'jwks-unavailable' },
      message: 'the keys of the issuer cannot be fetched',
      cause: { message: typeof why === 'string' ? why : expect.stringMatching(why) },
    })
    await verify()
    expect(told.length).toBe(1)
    await clock.advance(5001)
    await verify()
    expect(told.length).toBe(2)
  },
)

test('the operator is told where nothing answers in 5 s, and what fetches is ended', async () => {
  let ended: AbortSignal | undefined
  const { verify, told } = await verifyWith((signal) => {
    ended = signal
    return new Promise(() => {})
  })
  const done = verify()
  await clock.advance(4999)
  expect([told, ended?.aborted]).toEqual([[], false])
  await clock.advance(1)
  expect(await done).toMatchObject({ cause: { message: 'no answer in 5 s' } })
  expect(ended?.aborted).toBe(true)
})

test('whoever is told and fails at hearing it ends neither the process nor what keys are for', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
  onTestFinished(() => warn.mockRestore())
  const fault = new Error('no log')
  let isDown = false
  const { verify } = await verifyWith(
    async () => {
      if (isDown) throw new Error('down')
      return JSON.stringify({ keys: [issuer.jwk] })
    },
    {
      clockSkew: 60,
      onTrouble() {
        throw fault
      },
    },
  )
  await verify()
  isDown = true
  // Nobody waits for what is fetched while those of before are good.
  await clock.advance(300_001)
  token = await issuer.token({ aud: audience, sub: 'a', client_id: 'a' })
  expect(await verify()).toMatchObject({ subject: 'a' })
  await clock.advance(1)
  expect(warn.mock.calls).toEqual([[fault]])
  await clock.advance(300_001)
  expect(await verify()).toMatchObject({ reason: 'jwks-unavailable' })
})

test('while keys cannot be fetched nobody can say of a new one whose it is', async () => {
  let isDown = false
  const { verify } = await verifyWith(async () => {
    if (isDown) throw new Error('down')
    return JSON.stringify({ keys: [issuer.jwk] })
  })
  await verify()
  const [, ...rest] = token.split('.')
  const header = JSON.stringify({ alg: 'ES256', kid: 'new', typ: 'at+jwt' })
  token = [Buffer.from(header).toString('base64url'), ...rest].join('.')
  isDown = true
  expect(await verify()).toMatchObject({ code: 'unauthenticated', reason: 'token-key' })
  await clock.advance(5001)
  expect(await verify()).toMatchObject({ code: 'unavailable', reason: 'jwks-unavailable' })
  expect(await verify()).toMatchObject({ code: 'unavailable', reason: 'jwks-unavailable' })
  isDown = false
  await clock.advance(5001)
  expect(await verify()).toMatchObject({ code: 'unauthenticated', reason: 'token-key' })
})

test('T28 why keys cannot be fetched is told by known words alone, whatever else an error says', async () => {
  const secret = 'Bearer ey.secret'
  const named = Object.assign(new Error(secret, { cause: secret }), { name: secret, code: secret })
  for (const [error, why] of [
    [named, 'Error'],
    [new RangeError(secret), 'RangeError'],
    [secret, 'no error'],
    [undefined, 'no error'],
  ] as const) {
    const { verify } = await verifyWith(failing(error))
    expect(await verify()).toMatchObject({ cause: { message: why } })
  }
  let deep: unknown
  for (let n = 0; n < 100; n += 1) deep = new Error(secret, { cause: deep })
  const { verify } = await verifyWith(failing(deep))
  expect(await verify()).toMatchObject({ cause: { message: Array(5).fill('Error').join(': ') } })
})

test('T28 who asks hears that keys cannot be fetched, over HTTP and gRPC, and not why', async () => {
  const why = new CountersignError('unavailable', 'at 10.1.2.3', { reason: 'x' })
  const { verifier, verify } = await verifyWith(failing(why))
  expect(await verify()).toMatchObject({ cause: { message: 'at 10.1.2.3' } })
  const guard = requireAccessToken({ verifier, scopes: [] })
  let answered: unknown[] = []
  const response = {
    writeHead: (...head: unknown[]) => ({
      end(body: unknown) {
        answered = [...head, body]
      },
    }),
  }
  await guard(
    { rawHeaders: ['authorization', `Bearer ${token}`] } as never,
    response as never,
    () => {},
  )
  expect(answered).toEqual([
    503,
    { 'content-type': 'application/json', 'cache-control': 'no-store', 'retry-after': '5' },
    '{"code":"unavailable","reason":"jwks-unavailable","message":"the keys of the issuer cannot be fetched"}',
  ])
  const { details, metadata } = toStatus(await verify())
  expect(details).toBe('the keys of the issuer cannot be fetched')
  const [bytes] = metadata.get('grpc-status-details-bin')
  expect(bytes).toBeInstanceOf(Buffer)
  expect((bytes as Buffer).includes('10.1.2.3')).toBe(false)
})

test('where nobody is to be told, the process warns, of the same reason once a minute', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
  onTestFinished(() => warn.mockRestore())
  let error: Error = Object.assign(new Error(), { code: 'ECONNREFUSED' })
  const { verify } = await verifyWith(() => Promise.reject(error), {
    onTrouble: undefined as never,
  })
  const warned = () => warn.mock.calls.splice(0).map(([text]) => text)
  const refused = 'the keys of https://as.example.org cannot be fetched: ECONNREFUSED'
  await verify()
  expect(warned()).toEqual([refused])
  await clock.advance(55_000)
  await verify()
  expect(warned()).toEqual([])
  await clock.advance(5001)
  await verify()
  expect(warned()).toEqual([refused])
  error = Object.assign(new Error(), { code: 'ENOTFOUND' })
  await clock.advance(5001)
  await verify()
  expect(warned()).toEqual(['the keys of https://as.example.org cannot be fetched: ENOTFOUND'])
})

test('T9 keys are asked for on a connection of their own, by no agent and so by no proxy that stands for all', async () => {
  const before = https.globalAgent
  let asked = 0
  https.globalAgent = Object.assign(new https.Agent(), {
    createConnection() {
      asked += 1
      throw new Error('a proxy')
    },
  })
  onTestFinished(() => {
    https.globalAgent = before
  })
  const { verify } = await verifyWith(`https://localhost:${await freePort()}`)
  expect(await verify()).toMatchObject({ cause: { message: 'ECONNREFUSED' } })
  expect(asked).toBe(0)
})

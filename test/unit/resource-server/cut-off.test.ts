import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { createServer, get, type RequestListener, type ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { Agent } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { type RequireAccessTokenOptions, requireAccessToken } from 'countersign/resource-server'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { type OpenAnswer, openAnswer, openHttp2Answer } from '../../support/open-answer.ts'
import { type WebCertificate, webCertificate } from '../../support/web-certificate.ts'
import { type TestIssuer, testIssuer } from './access-fixtures.ts'
import { frameworks, type Service, startFramework } from './frameworks.ts'
import { type KnownFacts, knownFacts, revocable } from './known-facts.ts'

const audience = 'https://orders.example.org'
let web: WebCertificate
let clock: FakeClock
let issuer: TestIssuer
let revocations: KnownFacts
let options: RequireAccessTokenOptions

beforeAll(async () => {
  web = await webCertificate('localhost')
})

afterAll(() => rmSync(web.folder, { recursive: true, force: true }))

beforeEach(async () => {
  clock = new FakeClock()
  issuer = await testIssuer(clock)
  revocations = knownFacts()
  options = { verifier: issuer.verifier({ audience, revocations }), scopes: [] }
})

const tokenOf = (claims: Record<string, unknown>) =>
  issuer.token({ aud: audience, sub: 'spiffe://here.test/web', client_id: 'web', ...claims })

/** One that does not end in the time of a test. */
const longToken = () =>
  tokenOf({ ...revocable, exp: Math.floor(clock.now().getTime() / 1000) + 86_400 })

/** Starts a service; what asks it does so on one connection, as far as the protocol lets it. */
async function startService(
  name: string,
): Promise<Service & { open(path: string, token: string): Promise<OpenAnswer> }> {
  const tls = { cert: readFileSync(web.certificate), key: readFileSync(web.key) }
  const service = await startFramework(name, options, tls)
  const ca = readFileSync(web.ca)
  const agent = new Agent({ keepAlive: true, maxSockets: 4, ca })
  const session = service.http2
    ? connectHttp2(`https://localhost:${service.port}`, { ca })
    : undefined
  onTestFinished(async () => {
    agent.destroy()
    session?.destroy()
    await service.close()
  })
  return {
    ...service,
    open: async (path, token) =>
      session
        ? openHttp2Answer(session, path, token)
        : openAnswer(service.port, agent, path, token),
  }
}

describe.each(Object.keys(frameworks))('%s', (name) => {
  test('T26 an answer that is open still is cut off when its token is revoked, and the one beside it goes on', async () => {
    const { open, say } = await startService(name)
    const revoked = await open('/open', await tokenOf(revocable))
    const other = await open('/open', await tokenOf({ jti: 'other' }))
    await eventually(() => revoked.text === 'begun' && other.text === 'begun')
    revocations.revoke('token')
    await eventually(() => revoked.end === 'cut off')
    say(', goes on')
    await eventually(() => other.text === 'begun, goes on')
    expect([revoked.text, other.end]).toEqual(['begun', undefined])
  })

  test('an answer that is open still is cut off when its token ends, and when nobody knows whether it was revoked', async () => {
    const { open } = await startService(name)
    const short = await open('/open', await tokenOf({}))
    const long = await open('/open', await longToken())
    await eventually(() => short.text === 'begun' && long.text === 'begun')
    await clock.advance(66_000)
    await eventually(() => short.end === 'cut off')
    expect(long.end).toBe(undefined)
    revocations.isFresh = false
    await clock.advance(200)
    await eventually(() => long.end === 'cut off')
  })

  test('an answer that was whole before its token ended is whole, and nothing is left of it', async () => {
    const { open } = await startService(name)
    const token = await longToken()
    for (let n = 0; n < 20; n += 1) {
      const answer = await open('/', token)
      await eventually(() => answer.end !== undefined)
      expect([answer.text, answer.end]).toEqual(['spiffe://here.test/web', 'whole'])
    }
    await eventually(async () => {
      await clock.advance(100)
      return revocations.listening === 0
    })
  })
})

test('10,000 requests to one service leave no listener behind', async () => {
  const guard = requireAccessToken(options)
  const server = createServer((request, response) =>
    guard(request, response, () => void response.end('in')),
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const head = `GET / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${await longToken()}\r\n`
  // All on one connection, one after the other.
  const socket = connect(port, '127.0.0.1')
  for (let n = 1; n < 10_000; n += 1) socket.write(`${head}\r\n`)
  socket.write(`${head}connection: close\r\n\r\n`)
  expect((await text(socket)).split('HTTP/1.1 200 OK').length - 1).toBe(10_000)
  const before = revocations.asked
  revocations.revoke('token')
  await eventually(async () => {
    await clock.advance(100)
    return revocations.listening === 0
  })
  // Whatever was open would have been judged.
  expect([revocations.asked - before, clock.sleeping]).toEqual([0, 0])
})

test.each(['node:http', 'node:http2'])(
  '%s: a caller who leaves before his token was looked at leaves nothing behind',
  async (name) => {
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<boolean>()
    const introspect = (): Promise<boolean> => {
      asked.resolve()
      return answer.promise
    }
    const verifier = issuer.verifier({ audience, revocations, introspect })
    const guard = requireAccessToken({ verifier, scopes: [] })
    const left = Promise.withResolvers<void>()
    const judged = Promise.withResolvers<void>()
    const serve: RequestListener = (request, response) => {
      response.once('close', left.resolve)
      void guard(request, response, () => judged.resolve())
    }
    const isHttp2 = name === 'node:http2'
    const server = isHttp2 ? createHttp2Server(serve as never) : createServer(serve)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const authorization = `Bearer ${await tokenOf(revocable)}`
    revocations.isFresh = false
    if (isHttp2) {
      const session = connectHttp2(`http://127.0.0.1:${port}`)
      session.request({ authorization }).on('error', () => {})
      void asked.promise.then(() => session.destroy())
    } else {
      const sent = get({ port, headers: { authorization } }).on('error', () => {})
      void asked.promise.then(() => sent.destroy())
    }
    await left.promise
    answer.resolve(true)
    await judged.promise
    expect([revocations.listening, clock.sleeping]).toEqual([0, 0])
  },
)

test.each(['node:http', 'node:http2'])(
  '%s: a handler that goes on with an answer that was cut off, or begins one, fails at nothing',
  async (name) => {
    const guard = requireAccessToken(options)
    const answers: ServerResponse[] = []
    const serve: RequestListener = (request, response) =>
      void guard(request, response, () => {
        if (request.url === '/begun') response.write('begun')
        answers.push(response)
      })
    const isHttp2 = name === 'node:http2'
    const server = isHttp2 ? createHttp2Server(serve as never) : createServer(serve)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const authorization = `Bearer ${await tokenOf(revocable)}`
    const session = isHttp2 ? connectHttp2(`http://127.0.0.1:${port}`) : undefined
    onTestFinished(() => {
      session?.destroy()
      server.close()
    })
    const cut = ['/begun', '/waiting'].map((path) => {
      const sent = session
        ? session.request({ ':path': path, authorization })
        : get({ port, path, headers: { authorization } })
      const { promise, resolve } = Promise.withResolvers<void>()
      sent.on('error', () => resolve())
      sent.on('response', (answer) => answer.on?.('error', () => resolve()).resume?.())
      return promise
    })
    await eventually(() => answers.length === 2)
    revocations.revoke('token')
    await Promise.all(cut)
    for (const answer of answers) {
      if (!answer.headersSent) answer.writeHead(200, { 'content-type': 'text/plain' })
      answer.write('more')
      answer.end('end')
    }
    await new Promise(setImmediate)
  },
)

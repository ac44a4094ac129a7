import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { createServer, request } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { json } from 'node:stream/consumers'
import { accessOf, requireAccessTokenToUpgrade, type Verifier } from 'countersign/resource-server'
import { beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../src/svid/x509-svid.ts'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { toPem } from '../../../src/x509/pem.ts'
import { type Made, NOW, root } from '../../support/x509-fixtures.ts'
import { svidOf } from '../mtls/test-source.ts'
import { boundTo, type TestIssuer, testIssuer } from './access-fixtures.ts'
import { type KnownFacts, knownFacts, revocable } from './known-facts.ts'

const audience = 'https://orders.example.org'
let ca: Made
let server: X509Svid
let client: X509Svid
let clock: FakeClock
let issuer: TestIssuer
let revocations: KnownFacts

beforeAll(async () => {
  ca = await root('ca')
  server = await svidOf(ca, SpiffeId.parse('spiffe://here.test/server'))
  client = await svidOf(ca, SpiffeId.parse('spiffe://here.test/client'))
})

beforeEach(async () => {
  clock = new FakeClock(NOW)
  issuer = await testIssuer(clock)
  revocations = knownFacts()
})

const tokenOf = (claims: Record<string, unknown> = {}): Promise<string> =>
  issuer.token({
    ...{ aud: audience, sub: client.spiffeId, client_id: client.spiffeId, scope: 'orders:read' },
    ...{ ...boundTo(client.chain[0]), ...claims },
  })

const pemOf = (svid: X509Svid) => ({
  cert: svid.chain.map((der) => new X509Certificate(der).toString()).join(''),
  key: toPem('PRIVATE KEY', svid.privateKey),
})

/** A service that says who has come once it has upgraded, and then what comes; its port, and whom it let in. */
async function startEcho(
  verifier: Verifier = issuer.verifier({ audience, revocations }),
): Promise<{ readonly port: number; readonly sockets: Duplex[] }> {
  const guard = requireAccessTokenToUpgrade({ verifier, scopes: ['orders:read'] })
  const tls = { ...pemOf(server), requestCert: true, rejectUnauthorized: false }
  const sockets: Duplex[] = []
  const service = createServer(tls).on('upgrade', (asked: IncomingMessage, socket: Duplex) => {
    void guard(asked, socket, () => {
      sockets.push(socket)
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n',
      )
      socket.write(accessOf(asked).subject)
      socket.pipe(socket)
    })
  })
  await once(service.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    service.close()
  })
  return { port: (service.address() as AddressInfo).port, sockets }
}

function asking(port: number, token: string | undefined, shown: X509Svid | undefined = client) {
  const sent = request({
    ...{ host: '127.0.0.1', port, agent: false, rejectUnauthorized: false },
    ...(shown && pemOf(shown)),
    headers: {
      ...{ connection: 'upgrade', upgrade: 'echo' },
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
  })
  sent.end()
  return sent
}

interface Upgraded {
  readonly text: string
  readonly isClosed: boolean
  say(text: string): void
}

async function upgraded(port: number, token: string): Promise<Upgraded> {
  const [, socket, head] = (await once(asking(port, token), 'upgrade')) as [unknown, Duplex, Buffer]
  let text = String(head)
  socket.on('data', (chunk) => {
    text += String(chunk)
  })
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  return {
    get text() {
      return text
    },
    get isClosed() {
      return socket.closed
    },
    say: (said) => void socket.write(said),
  }
}

async function refused(port: number, token?: string, shown?: X509Svid): Promise<unknown> {
  const sent = asking(port, token, shown)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const { reason } = (await json(response)) as { reason: string }
  return [response.statusCode, response.headers['www-authenticate'], reason]
}

test('T30 an upgrade is refused before it happens, but to a token that allows it, on the connection that it is bound to', async () => {
  const { port, sockets } = await startEcho()
  expect(await refused(port)).toEqual([401, 'Bearer', 'token-missing'])
  const [{ headers }] = (await once(asking(port, 'a'), 'response')) as [IncomingMessage]
  expect(headers.connection).toBe('close')
  const thief = await svidOf(ca, SpiffeId.parse('spiffe://here.test/thief'))
  const stolen = [401, 'Bearer error="invalid_token"', 'token-binding']
  expect(await refused(port, await tokenOf(), thief)).toEqual(stolen)
  expect(await refused(port, await tokenOf({ scope: 'orders:write' }))).toEqual([
    403,
    'Bearer error="insufficient_scope", scope="orders:read"',
    'token-scope',
  ])
  revocations.revoke('token')
  const revoked = [401, 'Bearer error="invalid_token"', 'token-revoked']
  expect(await refused(port, await tokenOf(revocable))).toEqual(revoked)
  expect(sockets).toEqual([])
  const letIn = await upgraded(port, await tokenOf())
  await eventually(() => letIn.text === client.spiffeId)
})

test('T26 the socket is closed when the token is revoked, or ends, and the one beside it goes on', async () => {
  const { port } = await startEcho()
  const exp = Math.floor(clock.now().getTime() / 1000) + 600
  const [revoked, ended, other] = [
    await upgraded(port, await tokenOf({ ...revocable, exp })),
    await upgraded(port, await tokenOf()),
    await upgraded(port, await tokenOf({ exp })),
  ]
  revocations.revoke('token')
  await eventually(() => revoked.isClosed)
  expect(ended.isClosed).toBe(false)
  await clock.advance(66_000)
  await eventually(() => ended.isClosed)
  other.say(' goes on')
  await eventually(() => other.text === `${client.spiffeId} goes on`)
})

test('a socket that was closed is not watched any more', async () => {
  const { port, sockets } = await startEcho()
  await upgraded(port, await tokenOf())
  for (const socket of sockets) socket.destroy()
  await eventually(async () => {
    await clock.advance(100)
    return revocations.listening === 0
  })
  expect(clock.now().getTime() - NOW.getTime()).toBeLessThan(60_000)
})

test('a client that breaks off while its token is looked at is not upgraded, and ends no process', async () => {
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<boolean>()
  const introspect = (): Promise<boolean> => {
    asked.resolve()
    return answer.promise
  }
  revocations.isFresh = false
  const verifier = issuer.verifier({ audience, revocations, introspect })
  const guard = requireAccessTokenToUpgrade({ verifier, scopes: [] })
  const next = vi.fn()
  const broken = Promise.withResolvers<void>()
  const judged = Promise.withResolvers<void>()
  const service = createHttpServer().on('upgrade', (asking: IncomingMessage, socket: Duplex) => {
    socket.once('close', broken.resolve)
    guard(asking, socket, next).then(judged.resolve, judged.reject)
  })
  await once(service.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void service.close())
  const socket = connect((service.address() as AddressInfo).port, '127.0.0.1')
  const token = await tokenOf({ cnf: undefined })
  socket.write(
    `GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\nauthorization: Bearer ${token}\r\n\r\n`,
  )
  await asked.promise
  socket.resetAndDestroy()
  await broken.promise
  answer.resolve(true)
  await judged.promise
  expect([next.mock.calls.length, clock.sleeping]).toEqual([0, 0])
})

test('a client that is refused and does not close its half is not waited for', async () => {
  const guard = requireAccessTokenToUpgrade({ verifier: issuer.verifier({ audience }), scopes: [] })
  const service = createHttpServer()
  const closed = new Promise<void>((resolve) => {
    service.on('upgrade', (asked: IncomingMessage, socket: Duplex) => {
      socket.once('close', resolve)
      void guard(asked, socket, () => {})
    })
  })
  await once(service.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void service.close())
  const { port } = service.address() as AddressInfo
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  socket.resume().write('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
  await closed
})

test('a verifier that fails lets nobody in, and ends no process', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
  onTestFinished(() => warned.mockRestore())
  const { port } = await startEcho({ verify: () => Promise.reject(new TypeError('a fault')) })
  const [response] = (await once(asking(port, 'a'), 'response')) as [IncomingMessage]
  expect([response.statusCode, warned.mock.calls.length]).toEqual([500, 1])
})

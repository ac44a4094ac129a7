import { once } from 'node:events'
import type { ClientHttp2Session, Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { connectHttp2 } from '../../../src/mtls/http-client.ts'
import { createHttp2Server } from '../../../src/mtls/http-server.ts'
import { peerOf } from '../../../src/mtls/peer.ts'
import { matchId, matchTrustDomain } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../src/svid/x509-svid.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { bundleOf, type Made, NOW, reasonOf, root } from '../../support/x509-fixtures.ts'
import { svidOf, TestSource } from './test-source.ts'

const member = matchTrustDomain(TrustDomain.parse('here.test'))
const serverId = SpiffeId.parse('spiffe://here.test/server')
const lifeMs = 60_000
let ca: Made
let server: X509Svid
let client: X509Svid

beforeAll(async () => {
  ca = await root('ca')
  server = await svidOf(ca, serverId)
  client = await svidOf(ca, 'spiffe://here.test/client', {
    notAfter: new Date(NOW.getTime() + lifeMs),
  })
})

const sourceOf = (svid: X509Svid): TestSource => new TestSource(svid, bundleOf('here.test', ca))

type Handler = (request: Http2ServerRequest, response: Http2ServerResponse) => void

const greet: Handler = (request, response) => response.end(`hello ${peerOf(request).spiffeId}`)

async function serve(onRequest = greet) {
  const clock = new FakeClock(NOW)
  const options = { source: sourceOf(server), authorize: member, clock }
  const http2 = createHttp2Server(options, onRequest)
  const opened = vi.fn()
  http2.on('session', opened)
  http2.listen(0, '127.0.0.1')
  await once(http2, 'listening')
  onTestFinished(() => void http2.close())
  return { clock, opened, url: `https://127.0.0.1:${(http2.address() as AddressInfo).port}` }
}

async function connect(
  url: string,
  shown: X509Svid,
  clock = new FakeClock(NOW),
): Promise<ClientHttp2Session> {
  const options = { source: sourceOf(shown), authorize: matchId(serverId), clock }
  const session = await connectHttp2(url, options)
  onTestFinished(() => session.destroy())
  return session
}

/** Without an ear for its errors. */
function closed(session: ClientHttp2Session): Promise<unknown> {
  return new Promise((resolve) => session.once('close', resolve))
}

test('a handler learns who asks, and whoever is not let in opens no session', async () => {
  const { clock, opened, url } = await serve()
  const session = await connect(url, client)
  expect(await text(session.request({ ':path': '/' }))).toBe(`hello ${client.spiffeId}`)
  await clock.advance(lifeMs / 2)
  const ended = once(session, 'close')
  expect(await text(session.request({ ':path': '/' }))).toBe(`hello ${client.spiffeId}`)
  await ended
  const stranger = await svidOf(await root('ca'), 'spiffe://here.test/client')
  await closed(await connect(url, stranger))
  expect(opened).toHaveBeenCalledTimes(1)
})

test('a handler that takes its time learns who asked, though the client has gone', async () => {
  const late = Promise.withResolvers<string>()
  const { url } = await serve((request) => {
    request.stream.once('close', () =>
      setImmediate(() => late.resolve(reasonOf(() => peerOf(request)))),
    )
    request.stream.respond()
  })
  const request = (await connect(url, client)).request({ ':path': '/' })
  await once(request, 'response')
  request.destroy()
  expect(await late.promise).toBe('ok')
})

test('T27 a session that ends with its SVID ends no process, though nobody listens to its errors', async () => {
  const clock = new FakeClock(NOW)
  const session = await connect(
    (await serve((_, response) => response.stream.respond())).url,
    client,
    clock,
  )
  const ended = closed(session)
  const request = session.request({ ':path': '/' })
  await once(request, 'response')
  const failed = expect(text(request)).rejects.toMatchObject({ reason: 'connection-outlived' })
  await clock.advance(lifeMs)
  await Promise.all([failed, ended])
})

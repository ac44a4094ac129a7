import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { selfTestCall } from '../../../../server/oauth/self-test-call.ts'
import { createServer } from '../../../../src/mtls/http-server.ts'
import { matchTrustDomain } from '../../../../src/spiffe-id/matchers.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../../src/svid/x509-svid.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { reasonOf } from '../../../support/reason-of.ts'
import { bundleOf, type Made, root } from '../../../support/x509-fixtures.ts'
import { svidOf, TestSource } from '../../mtls/test-source.ts'

const orders = SpiffeId.parse('spiffe://here.test/orders')
const clock = new FakeClock()
/** The server looks at certificates by the clock of its machine. */
const always = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') }
let ca: Made
let own: X509Svid

beforeAll(async () => {
  ca = await root('ca', always)
  own = await svidOf(ca, 'spiffe://here.test/spire/server', always)
})

/** Asks a service of this ID that answers so. */
async function start(
  answer: (response: ServerResponse, request: IncomingMessage) => void,
  id: SpiffeId = orders,
) {
  const sourceOf = (svid: X509Svid) => new TestSource(svid, bundleOf('here.test', ca))
  const source = sourceOf(await svidOf(ca, id, always))
  const authorize = matchTrustDomain(TrustDomain.parse('here.test'))
  const server = createServer({ source, authorize, clock }, (request, response) =>
    answer(response, request),
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const url = new URL(`https://127.0.0.1:${port}/test`)
  const call = selfTestCall(url, new Set([orders]), { source: sourceOf(own), clock })
  onTestFinished(() => {
    call.close()
    server.close().closeAllConnections()
  })
  return call
}

test('a service is shown the canary by POST, and what it answers is one bit', async () => {
  const asked: unknown[] = []
  const call = await start((response, { method, url, headers }) => {
    asked.push([method, url, headers.authorization])
    response.end(asked.length === 1 ? '1' : '0')
  })
  expect([await call.takes('a'), await call.takes('b')]).toEqual([true, false])
  expect(asked).toEqual([
    ['POST', '/test', 'Bearer a'],
    ['POST', '/test', 'Bearer b'],
  ])
})

test('nobody is shown a canary but who serves the resource', async () => {
  let asked = 0
  const call = await start((response) => {
    asked += 1
    response.end('0')
  }, SpiffeId.parse('spiffe://here.test/other'))
  expect(await reasonOf(call.takes('a'))).toBe('self-test-unreachable')
  expect(asked).toBe(0)
})

test.for([
  [503, '1'],
  [404, '0'],
  [302, '1'],
  [200, ''],
  [200, '2'],
  [200, '10'],
  [200, '<html>1'],
] as const)('status %i with "%s" is no answer', async ([status, body]) => {
  const call = await start((response) => void response.writeHead(status).end(body))
  expect(await reasonOf(call.takes('a'))).toBe('self-test-unreachable')
})

test('an answer without end is not read on', async () => {
  const call = await start((response) => {
    const more = (): void => void response.write('1', more)
    more()
  })
  expect(await reasonOf(call.takes('a'))).toBe('self-test-unreachable')
})

test('a service that does not answer is waited for for two seconds', async () => {
  const arrived = Promise.withResolvers<void>()
  const call = await start(() => arrived.resolve())
  let isOver = false
  const refused = reasonOf(call.takes('a')).finally(() => {
    isOver = true
  })
  await arrived.promise
  await clock.advance(1999)
  expect(isOver).toBe(false)
  await clock.advance(1)
  expect(await refused).toBe('self-test-unreachable')
})

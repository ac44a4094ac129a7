import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:tls'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { CountersignError } from '../../src/errors.ts'
import { createClient } from '../../src/rpc/client.ts'
import { reasonOf } from '../support/reason-of.ts'
import { attest, type RunningServer, startServer, wireEntry } from '../support/running-server.ts'
import { startTokenServer } from '../support/token-server.ts'

let server: RunningServer

beforeAll(async () => {
  // Nothing comes back while the tests run.
  const rate = (burst: number) => ({ perSecond: 0.001, burst })
  const rateLimits = { attest: rate(3), sign: rate(4), call: rate(40) }
  server = await startServer({ overrides: { rateLimits } })
})

afterAll(() => server.remove())

/** What the promise is refused with. */
async function refusalOf(promise: Promise<unknown>): Promise<CountersignError> {
  const error = await promise.catch((caught: unknown) => caught)
  if (error instanceof CountersignError) return error
  throw new Error('it was not refused')
}

const tooMany = { code: 'exhausted', reason: 'rate-limited', retryAfterMs: expect.any(Number) }

test('T12 who asks too much is told when to ask again: certificates and tokens by agent, attestations by address, calls by either', async () => {
  const agents = [await server.joinAgent(), await server.joinAgent()]
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', {
      entries: agents.map(({ id }, at) => wireEntry({ path: `/web-${at}`, parent: id })),
    })
  const svids = agents.map((agent) =>
    createClient('spire.api.server.svid.v1.SVID', server.dial(agent)),
  )
  const token = (at: number) =>
    svids[at]?.unary('NewJWTSVID', { entry_id: results[at]?.entry?.id ?? '', audience: ['a'] }) ??
    Promise.reject(new Error('no such agent'))
  for (let used = 0; used < 4; used += 1) await token(0)
  expect(await refusalOf(token(0))).toMatchObject(tooMany)
  const params = Array.from({ length: 5 }, () => ({ entry_id: 'x', csr: Buffer.alloc(0) }))
  const batch = await refusalOf(svids[1]?.unary('BatchNewX509SVID', { params }) ?? Promise.reject())
  expect(batch).toMatchObject({ reason: 'rate-limited', fix: 'send smaller batches' })
  expect(await reasonOf(token(1))).toBe('accepted')

  expect(await reasonOf(attest(server.dial(), 'a'.repeat(32)))).toBe('join-token-refused')
  expect(await refusalOf(attest(server.dial(), 'a'.repeat(32)))).toMatchObject(tooMany)

  const bundle = createClient('spire.api.server.bundle.v1.Bundle', server.dial())
  const ask = () => bundle.unary('GetBundle', {})
  let asked = 0
  while (asked < 100 && (await reasonOf(ask())) === 'accepted') asked += 1
  // Four attestations of this address came before.
  expect(asked).toBe(36)
  expect(await refusalOf(ask())).toMatchObject(tooMany)
  expect(await reasonOf(token(1))).toBe('accepted')
})

test('T12 the server’s doors for agents and for tokens let in as many connections as it is told, and no more', async () => {
  const few = await startTokenServer({ overrides: { maxConnections: 2 } })
  onTestFinished(() => few.remove())
  const isLetIn = (port: number, protocol: string): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect({
        ...{ host: '127.0.0.1', port, servername: 'localhost', rejectUnauthorized: false },
        ALPNProtocols: [protocol],
      })
      onTestFinished(() => void socket.destroy())
      socket.once('secureConnect', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('close', () => resolve(false))
    })
  const agents = Number(few.address.split(':').at(-1))
  for (const [port, protocol] of [
    [agents, 'h2'],
    [few.port, 'http/1.1'],
  ] as const) {
    const letIn: boolean[] = []
    for (let asked = 0; asked < 3; asked += 1) letIn.push(await isLetIn(port, protocol))
    expect(letIn).toEqual([true, true, false])
  }
})

test('T12 one address without an identity has 2,048 calls open and no more, and whoever has an identity is served beside them', async () => {
  const beside = await startServer()
  onTestFinished(() => beside.remove())
  const agent = await beside.joinAgent()
  const codes: unknown[] = []
  for (let connection = 0; connection < 9; connection += 1) {
    const session = connectHttp2(`https://${beside.address}`, { rejectUnauthorized: false })
    onTestFinished(() => session.destroy())
    session.on('error', () => {})
    for (let call = 0; call < 256; call += 1) {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/spire.api.server.bundle.v1.Bundle/GetBundle',
        'content-type': 'application/grpc',
      })
      stream.on('error', () => {})
      stream.on('response', (headers) => codes.push(headers['grpc-status']))
    }
  }
  await expect.poll(() => codes.length).toBe(256)
  expect(new Set(codes)).toEqual(new Set(['8']))
  const bundle = createClient('spire.api.server.bundle.v1.Bundle', beside.dial(agent))
  expect(await reasonOf(bundle.unary('GetBundle', {}))).toBe('accepted')
  expect(codes).toHaveLength(256)
})

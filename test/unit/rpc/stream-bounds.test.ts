import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  connect as http2Connect,
  type IncomingHttpHeaders,
} from 'node:http2'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { unary } from '../../../src/rpc/handler.ts'
import type { RpcServerOptions } from '../../../src/rpc/server.ts'
import { serviceDefinition } from '../../../src/rpc/services.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { message } from '../../support/http2-frames.ts'
import { serve, type TestPeer } from './harness.ts'

const health = serviceDefinition('grpc.health.v1.Health')
const check = '/grpc.health.v1.Health/Check'

const refuse = (): never => {
  throw new CountersignError('forbidden', 'no', { reason: 'no' })
}

async function session(
  options: Partial<RpcServerOptions<TestPeer, TestPeer>> = {},
  initialWindowSize?: number,
): Promise<ClientHttp2Session> {
  const { server, path } = await serve(options)
  server.addService(health, { Check: unary(() => ({ status: 'SERVING' })) })
  const settings = initialWindowSize === undefined ? {} : { initialWindowSize }
  const opened = http2Connect('http://localhost', {
    createConnection: () => connect(path),
    settings,
  })
  opened.on('error', () => {})
  onTestFinished(() => opened.destroy())
  return opened
}

function call(opened: ClientHttp2Session, headers: Record<string, string> = {}): ClientHttp2Stream {
  const stream = opened.request({
    ':method': 'POST',
    ':path': check,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  })
  stream.on('error', () => {})
  return stream.resume()
}

async function answer(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  return headers
}

describe('T12 a call that has been answered ends, though its caller keeps his side of it open', () => {
  test.each([
    ['one that names no method', { ':path': '/no.such/Method' }, {}],
    ['one that is not gRPC', { 'content-type': 'text/plain' }, {}],
    ['one that the guard refuses', {}, { guard: refuse }],
    ['one that it refuses later', {}, { guard: async () => refuse() }],
    ['one that takes too long', { 'grpc-timeout': '10m' }, {}],
  ])('%s', async (_, headers, options) => {
    const stream = call(await session(options), headers)
    await answer(stream)
    await once(stream, 'close')
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR)
  })

  test('one whose answer nobody takes counts as open till then', async () => {
    const clock = new FakeClock()
    let open = 0
    const enter = () => {
      open += 1
      return () => {
        open -= 1
      }
    }
    const codes: string[] = []
    const observe = (_method: string, code: string): void => void codes.push(code)
    const stream = call(await session({ clock, enter, observe }, 0))
    stream.end(message(Buffer.alloc(0)))
    await expect.poll(() => codes).toEqual(['ok'])
    await clock.advance(30_000)
    expect(open).toBe(1)
    await clock.advance(2000)
    await expect.poll(() => stream.rstCode).toBe(constants.NGHTTP2_CANCEL)
    await expect.poll(() => open).toBe(0)
  })
})

describe('T12 a call is refused', () => {
  test('that says much of itself', async () => {
    const opened = await session()
    const headers = await answer(call(opened, { x: 'a'.repeat(16_384) }))
    expect(headers['grpc-status']).toBe('8')
    const less = call(opened, { x: 'a'.repeat(15_000) })
    less.end(message(Buffer.alloc(0)))
    expect((await answer(less))['grpc-status']).toBeUndefined()
  })

  test('whose messages would be compressed, which no answer offers', async () => {
    const opened = await session()
    const compressed = await answer(call(opened, { 'grpc-encoding': 'gzip' }))
    expect(compressed['grpc-status']).toBe('12')
    expect(compressed['grpc-accept-encoding']).toBe('identity')
    const plain = call(opened, { 'grpc-encoding': 'identity' })
    plain.end(message(Buffer.alloc(0)))
    const taken = await answer(plain)
    expect(taken['grpc-status']).toBeUndefined()
    expect(taken['grpc-accept-encoding']).toBe('identity')
  })
})

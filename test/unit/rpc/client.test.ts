import { getEventListeners, once } from 'node:events'
import { createServer as createHttp2Server, type Http2ServerResponse } from 'node:http2'
import { join } from 'node:path'
import { Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js'
import { describe, expect, onTestFinished, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { createClient } from '../../../src/rpc/client.ts'
import { dialUnix } from '../../../src/rpc/dial.ts'
import type { HealthCheckResponse } from '../../../src/rpc/gen/grpc/health/v1/HealthCheckResponse.ts'
import { bidiStream, serverStream, unary } from '../../../src/rpc/handler.ts'
import { serviceDefinition } from '../../../src/rpc/services.ts'
import { failureOf, serve, signalled } from './harness.ts'

const health = serviceDefinition('grpc.health.v1.Health')
const sync = serviceDefinition('countersign.sync.v1.Sync')
const serving = { status: 'SERVING' } as const

const refusal = (): CountersignError =>
  new CountersignError('exhausted', 'come back later', {
    reason: 'too-many',
    fix: 'wait a little',
    retryAfterMs: 2500,
  })
const refused = {
  name: 'CountersignError',
  code: 'exhausted',
  message: 'come back later',
  reason: 'too-many',
  fix: 'wait a little',
  retryAfterMs: 2500,
}

async function readAll(responses: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of responses);
}

/** A server whose calls stay open, and when they begin and end. */
async function endless() {
  const { server, dial } = await serve()
  const begun = signalled()
  const ended = signalled()
  const held = async (signal: AbortSignal): Promise<void> => {
    begun.resolve()
    if (!signal.aborted) await once(signal, 'abort')
    ended.resolve()
  }
  server.addService(health, {
    Check: unary(async (_: unknown, { signal }) => {
      await held(signal)
      return serving
    }),
    Watch: serverStream(async function* (_: unknown, { signal }) {
      yield serving
      await held(signal)
    }),
  })
  server.addService(sync, {
    Follow: bidiStream(async function* (_: AsyncIterable<unknown>, { signal }) {
      yield {}
      await held(signal)
    }),
  })
  const channel = dial()
  return {
    health: createClient('grpc.health.v1.Health', channel),
    sync: createClient('countersign.sync.v1.Sync', channel),
    begun: begun.promise,
    ended: ended.promise,
  }
}

describe('time', () => {
  test('a unary call ends with its deadline, on both sides', async () => {
    const { health: client, begun, ended } = await endless()
    let hasBegun = false
    void begun.then(() => {
      hasBegun = true
    })
    // On a busy machine it may be over before the server has heard of the call.
    for (let timeoutMs = 100; !hasBegun; timeoutMs *= 3) {
      const error = await failureOf(client.unary('Check', {}, { timeoutMs }))
      expect(error).toMatchObject({ code: 'deadline', reason: 'rpc-deadline' })
    }
    await ended
  })

  test('a stream has a deadline where it is given one', async () => {
    const { health: client, ended } = await endless()
    const seen: HealthCheckResponse[] = []
    const read = async (timeoutMs: number): Promise<void> => {
      for await (const message of client.serverStream('Watch', {}, { timeoutMs })) {
        seen.push(message)
      }
    }
    // On a busy machine it may be over before its first message is there.
    for (let timeoutMs = 200; seen.length === 0; timeoutMs *= 3) {
      expect(await failureOf(read(timeoutMs))).toMatchObject({ code: 'deadline' })
    }
    expect(seen).toEqual([serving])
    await ended
  })
})

describe('aborting', () => {
  const enough = new Error('enough')

  test('a unary call ends with the reason of its signal, and on the server too', async () => {
    const { health: client, begun, ended } = await endless()
    const abort = new AbortController()
    const failed = failureOf(client.unary('Check', {}, { signal: abort.signal }))
    await begun
    abort.abort(enough)
    expect(await failed).toBe(enough)
    await ended
  })

  test('a stream ends with the reason of its signal, and on the server too', async () => {
    const { health: client, begun, ended } = await endless()
    const abort = new AbortController()
    const responses = client
      .serverStream('Watch', {}, { signal: abort.signal })
      [Symbol.asyncIterator]()
    await responses.next()
    const failed = failureOf(responses.next())
    await begun
    abort.abort(enough)
    expect(await failed).toBe(enough)
    await ended
  })

  test('a bidirectional call ends with the reason of its signal, and on the server too', async () => {
    const { sync: client, begun, ended } = await endless()
    const abort = new AbortController()
    const call = client.bidi('Follow', { signal: abort.signal })
    const responses = call.responses[Symbol.asyncIterator]()
    await responses.next()
    await begun
    abort.abort(enough)
    expect(await failureOf(responses.next())).toBe(enough)
    await ended
    call.send({})
    call.end()
  })

  test('with a signal that is aborted no call begins', async () => {
    const { server, dial } = await serve()
    const called: string[] = []
    server.addService(health, {
      Check: unary((_: unknown, { method }) => {
        called.push(method)
        return serving
      }),
      Watch: serverStream(async function* (_: unknown, { method }) {
        called.push(method)
        yield serving
      }),
    })
    const channel = dial()
    const client = createClient('grpc.health.v1.Health', channel)
    const other = createClient('countersign.sync.v1.Sync', channel)
    const signal = AbortSignal.abort(enough)
    const stream = client.serverStream('Watch', {}, { signal })[Symbol.asyncIterator]()
    expect(await failureOf(client.unary('Check', {}, { signal }))).toBe(enough)
    expect(await failureOf(stream.next())).toBe(enough)
    expect(() => other.bidi('Follow', { signal })).toThrow(enough)
    // Calls of one connection reach the server in order.
    await client.unary('Check', {})
    expect(called).toEqual(['/grpc.health.v1.Health/Check'])
  })

  test('a signal that lives on keeps nothing of the calls that it was given to', async () => {
    const { server, dial } = await serve()
    server.addService(health, {
      Check: unary(() => serving),
      Watch: serverStream(async function* () {
        yield serving
        throw refusal()
      }),
    })
    const client = createClient('grpc.health.v1.Health', dial())
    const { signal } = new AbortController()
    await client.unary('Check', {}, { signal })
    for await (const _ of client.serverStream('Watch', {}, { signal })) break
    await failureOf(readAll(client.serverStream('Watch', {}, { signal })))
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})

describe('leaving', () => {
  test('who leaves a stream early ends it on the server', async () => {
    const { health: client, ended } = await endless()
    for await (const message of client.serverStream('Watch', {})) {
      expect(message).toEqual(serving)
      break
    }
    await ended
  })

  test('who leaves the responses of a bidirectional call ends it on the server', async () => {
    const { sync: client, ended } = await endless()
    for await (const _ of client.bidi('Follow').responses) break
    await ended
  })

  test('what the reader throws is what it gets, and the call ends', async () => {
    const { health: client, ended } = await endless()
    const own = new Error('own')
    const read = async (): Promise<void> => {
      for await (const _ of client.serverStream('Watch', {})) throw own
    }
    expect(await failureOf(read())).toBe(own)
    await ended
  })

  test('a stream that nobody reads is never asked for', async () => {
    const { server, dial } = await serve()
    let asked = 0
    server.addService(health, {
      Check: unary(() => serving),
      Watch: serverStream(async function* () {
        asked += 1
        yield serving
      }),
    })
    const client = createClient('grpc.health.v1.Health', dial())
    client.serverStream('Watch', {})
    await client.unary('Check', {})
    expect(asked).toBe(0)
  })
})

describe('errors of our servers', () => {
  test('reason, fix and retry hint come with each shape of call', async () => {
    const { server, dial } = await serve()
    server.addService(health, {
      Check: unary(() => {
        throw refusal()
      }),
      Watch: serverStream(async function* () {
        yield serving
        throw refusal()
      }),
    })
    server.addService(sync, {
      Follow: bidiStream(async function* () {
        yield {}
        throw refusal()
      }),
    })
    const channel = dial()
    const client = createClient('grpc.health.v1.Health', channel)
    expect(await failureOf(client.unary('Check', {}))).toMatchObject(refused)
    const stream = client.serverStream('Watch', {})[Symbol.asyncIterator]()
    expect((await stream.next()).value).toEqual(serving)
    expect(await failureOf(stream.next())).toMatchObject(refused)
    const call = createClient('countersign.sync.v1.Sync', channel).bidi('Follow')
    expect(await failureOf(readAll(call.responses))).toMatchObject(refused)
  })

  test('a call that failed before anybody read it still fails', async () => {
    const { server, dial } = await serve()
    server.addService(health, { Check: unary(() => serving) })
    server.addService(sync, {
      Follow: bidiStream(async function* () {
        if (serving.status !== 'SERVING') yield {}
        throw refusal()
      }),
    })
    const channel = dial()
    const call = createClient('countersign.sync.v1.Sync', channel).bidi('Follow')
    for (let i = 0; i < 5; i += 1) {
      await createClient('grpc.health.v1.Health', channel).unary('Check', {})
    }
    call.send({})
    expect(await failureOf(readAll(call.responses))).toMatchObject(refused)
  })

  test('metadata of the call reaches the server', async () => {
    const { server, dial } = await serve()
    server.addService(health, {
      Check: unary((_: unknown, { metadata }) => {
        const [value] = metadata.get('workload.spiffe.io')
        throw new CountersignError('invalid', String(value), { reason: 'echo' })
      }),
    })
    const client = createClient('grpc.health.v1.Health', dial())
    const options = { metadata: { 'workload.spiffe.io': 'true' } }
    expect((await failureOf(client.unary('Check', {}, options))).message).toBe('true')
  })

  test('an RPC is called by its own shape only', async () => {
    const { dial } = await serve()
    const channel = dial()
    const client = createClient('grpc.health.v1.Health', channel)
    const other = createClient('countersign.sync.v1.Sync', channel)
    expect(() => client.unary('Watch', {})).toThrow(TypeError)
    expect(() => client.serverStream('Check', {})).toThrow(TypeError)
    expect(() => client.bidi('Watch')).toThrow(TypeError)
    expect(() => other.unary('Follow', {})).toThrow(TypeError)
    expect(() => client.unary('Absent' as 'Check', {})).toThrow(TypeError)
  })
})

describe('errors of other servers', () => {
  /** A gRPC server that knows nothing of ours. */
  async function strange(code: number, details: string, metadata?: Metadata) {
    const { path } = await serve()
    const server = new Server()
    server.addService(health as never, {
      Check: (_: unknown, done: (error: object) => void) =>
        done({ code, details, ...(metadata === undefined ? {} : { metadata }) }),
    })
    const target = join(path, '..', 'strange.sock')
    await new Promise<void>((resolve, reject) =>
      server.bindAsync(`unix://${target}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      ),
    )
    const channel = dialUnix(target)
    onTestFinished(() => {
      channel.close()
      server.forceShutdown()
    })
    return createClient('grpc.health.v1.Health', channel)
  }

  test.each([
    [status.PERMISSION_DENIED, 'forbidden'],
    [status.NOT_FOUND, 'not-found'],
    [status.UNAVAILABLE, 'unavailable'],
    [status.UNKNOWN, 'internal'],
    [status.ABORTED, 'conflict'],
    [status.OUT_OF_RANGE, 'invalid'],
    [status.DEADLINE_EXCEEDED, 'deadline'],
    [status.CANCELLED, 'cancelled'],
  ])('a plain status %i is %s with a reason named after it', async (code, word) => {
    const client = await strange(code, 'their text')
    expect(await failureOf(client.unary('Check', {}))).toMatchObject({
      name: 'CountersignError',
      code: word,
      reason: `rpc-${word}`,
      message: 'their text',
    })
  })

  test('details that cannot be read do nothing', async () => {
    const metadata = new Metadata()
    metadata.set('grpc-status-details-bin', Buffer.from('ff0a1affffffff0f', 'hex'))
    const client = await strange(status.PERMISSION_DENIED, 'no', metadata)
    expect(await failureOf(client.unary('Check', {}))).toMatchObject({
      code: 'forbidden',
      reason: 'rpc-forbidden',
    })
  })

  test('escapes in their text do not reach a terminal', async () => {
    const client = await strange(status.NOT_FOUND, '\x1b[31mred')
    expect((await failureOf(client.unary('Check', {}))).message).toBe(' [31mred')
  })

  test.each([
    [
      'no gRPC',
      'unavailable',
      (response: Http2ServerResponse) =>
        response.writeHead(503, { 'content-type': 'text/html' }).end('<h1>busy</h1>'),
    ],
    [
      'marked as compressed where nothing is',
      'internal',
      (response: Http2ServerResponse) =>
        response
          .writeHead(200, { 'content-type': 'application/grpc' })
          .end(Buffer.of(1, 0, 0, 0, 0)),
    ],
  ])('an answer that is %s is an error of ours', async (_, code, respond) => {
    const { path } = await serve()
    const target = join(path, '..', 'http.sock')
    const server = createHttp2Server((_request, response) => respond(response))
    server.listen(target)
    await once(server, 'listening')
    const channel = dialUnix(target)
    onTestFinished(() => {
      channel.close()
      server.close()
    })
    const client = createClient('grpc.health.v1.Health', channel)
    expect(await failureOf(client.unary('Check', {}))).toMatchObject({
      name: 'CountersignError',
      code,
    })
  })
})

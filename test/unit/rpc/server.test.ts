import { once } from 'node:events'
import { constants, connect as http2Connect } from 'node:http2'
import { connect } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { createClient } from '../../../src/rpc/client.ts'
import { bidiStream, serverStream, unary } from '../../../src/rpc/handler.ts'
import { serviceDefinition } from '../../../src/rpc/services.ts'
import type { Fields, Log } from '../../../src/runtime/log.ts'
import { silentLog } from '../../../src/runtime/log.ts'
import { failureOf, serve, signalled, type TestPeer } from './harness.ts'

const health = serviceDefinition('grpc.health.v1.Health')
const sync = serviceDefinition('countersign.sync.v1.Sync')
const serving = { status: 'SERVING' } as const
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

type Request = { readonly service: string }

function recordingLog(): Log & {
  readonly lines: { message: string; fields: Fields | undefined }[]
} {
  const lines: { message: string; fields: Fields | undefined }[] = []
  return { ...silentLog, lines, error: (message, fields) => void lines.push({ message, fields }) }
}

describe('unary calls', () => {
  test('a call reaches its handler with the caller that the guard named', async () => {
    const { server, dial } = await serve({ guard: ({ number }) => ({ number: number + 100 }) })
    server.addService(health, {
      Check: unary((request: Request, { caller, method }) => {
        expect(request.service).toBe('web')
        expect(method).toBe('/grpc.health.v1.Health/Check')
        expect((caller as TestPeer).number).toBe(101)
        return serving
      }),
    })
    const client = createClient('grpc.health.v1.Health', dial())
    expect(await client.unary('Check', { service: 'web' })).toEqual(serving)
  })

  test('a response that is a Buffer is sent as it is', async () => {
    const { server, dial } = await serve()
    server.addService(health, {
      Check: unary(() => health.Check.responseSerialize({ status: 'NOT_SERVING' })),
    })
    const client = createClient('grpc.health.v1.Health', dial())
    expect(await client.unary('Check', {})).toEqual({ status: 'NOT_SERVING' })
  })

  test('two connections at once are never taken for each other', async () => {
    const { server, dial } = await serve()
    server.addService(health, {
      Check: unary(async (_: Request, { caller }) => {
        await Promise.resolve()
        throw new CountersignError('forbidden', 'who', {
          reason: `peer-${(caller as TestPeer).number}`,
        })
      }),
    })
    const clients = [dial(), dial(), dial()].map((c) => createClient('grpc.health.v1.Health', c))
    const first: string[] = []
    for (const client of clients)
      first.push((await failureOf(client.unary('Check', {}))).reason ?? '')
    expect(new Set(first).size).toBe(3)
    const again = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        failureOf(clients[i % 3]?.unary('Check', {}) ?? Promise.resolve()),
      ),
    )
    expect(again.map(({ reason }) => reason)).toEqual(again.map((_, i) => first[i % 3]))
  })

  test('what is not one of our errors says nothing to the caller and one line to the log', async () => {
    const log = recordingLog()
    const { server, dial } = await serve({ log })
    server.addService(health, {
      Check: unary(() => {
        throw new TypeError('password=hunter2')
      }),
    })
    const error = await failureOf(createClient('grpc.health.v1.Health', dial()).unary('Check', {}))
    expect(error).toMatchObject({ code: 'internal', reason: 'internal', message: 'internal error' })
    expect(log.lines).toEqual([
      {
        message: 'a call failed unexpectedly',
        fields: expect.objectContaining({ error: expect.any(TypeError) }),
      },
    ])
  })

  test('a response that cannot be encoded is an internal error, not a hanging call', async () => {
    const log = recordingLog()
    const { server, dial } = await serve({ log })
    server.addService(health, { List: unary(() => ({ statuses: { a: 7 } })) })
    const error = await failureOf(createClient('grpc.health.v1.Health', dial()).unary('List', {}))
    expect(error.code).toBe('internal')
    expect(log.lines).toHaveLength(1)
  })

  test('an RPC without a handler, and a service that is not there, are unimplemented', async () => {
    const { server, dial } = await serve()
    server.addService(health, {})
    const channel = dial()
    expect(
      await failureOf(createClient('grpc.health.v1.Health', channel).unary('Check', {})),
    ).toMatchObject({
      reason: 'rpc-unimplemented',
    })
    const absent = createClient('spire.api.server.debug.v1.Debug', channel).unary('GetInfo', {})
    expect(await failureOf(absent)).toMatchObject({ code: 'unimplemented' })
  })

  test('a handler that the definition does not know, or of another shape, is refused at once', async () => {
    const { server } = await serve()
    expect(() => server.addService(health, { Chekc: unary(() => serving) })).toThrow(TypeError)
    expect(() => server.addService(health, { Watch: unary(() => serving) })).toThrow(TypeError)
  })

  test('observe hears each known method once, with a word for its outcome', async () => {
    const seen: string[] = []
    const { server, dial } = await serve({
      observe: (method, code, ms) => seen.push(`${method} ${code} ${ms >= 0}`),
    })
    server.addService(health, {
      Check: unary(({ service }: Request) => {
        if (service === '') throw new CountersignError('not-found', 'no', { reason: 'absent' })
        return serving
      }),
    })
    const client = createClient('grpc.health.v1.Health', dial())
    await client.unary('Check', { service: 'a' })
    await failureOf(client.unary('Check', {}))
    expect(seen).toEqual([
      '/grpc.health.v1.Health/Check ok true',
      '/grpc.health.v1.Health/Check not-found true',
    ])
  })

  test('T12 a message over the limit is refused before a handler sees it', async () => {
    let calls = 0
    const { server, dial } = await serve({ maxReceiveBytes: 1000 })
    server.addService(health, {
      Check: unary(() => {
        calls += 1
        return serving
      }),
    })
    const client = createClient('grpc.health.v1.Health', dial())
    const error = await failureOf(client.unary('Check', { service: 'x'.repeat(2000) }))
    expect(error.code).toBe('exhausted')
    expect(calls).toBe(0)
    expect(await client.unary('Check', {})).toEqual(serving)
  })

  test('the handler learns that the caller has left', async () => {
    const { server, dial } = await serve()
    const begun = signalled()
    const gone = signalled<unknown>()
    server.addService(health, {
      Check: unary((_: Request, { signal }) => {
        signal.addEventListener('abort', () => gone.resolve(signal.reason))
        begun.resolve()
        return new Promise<never>(() => {})
      }),
    })
    const abort = new AbortController()
    const call = createClient('grpc.health.v1.Health', dial()).unary(
      'Check',
      {},
      { signal: abort.signal },
    )
    await begun.promise
    const reason = new Error('changed my mind')
    abort.abort(reason)
    expect(await failureOf(call)).toBe(reason)
    expect(await gone.promise).toMatchObject({ reason: 'call-cancelled' })
  })

  test('the deadline of the caller ends the call on both sides', async () => {
    const { server, dial } = await serve()
    const gone = signalled<unknown>()
    let begun = false
    server.addService(health, {
      Check: unary((_: Request, { signal }) => {
        begun = true
        signal.addEventListener('abort', () => gone.resolve(signal.reason))
        return new Promise<never>(() => {})
      }),
    })
    const client = createClient('grpc.health.v1.Health', dial())
    // On a busy machine it may be over before the server has heard of the call.
    for (let timeoutMs = 100; !begun; timeoutMs *= 3) {
      expect((await failureOf(client.unary('Check', {}, { timeoutMs }))).code).toBe('deadline')
    }
    expect(['call-deadline', 'call-cancelled']).toContain(
      ((await gone.promise) as CountersignError).reason,
    )
  })
})

describe('the guard', () => {
  test('a refused call is never decoded, and its reason reaches the caller', async () => {
    let decoded = 0
    const { server, dial } = await serve({
      guard: () => {
        throw new CountersignError('forbidden', 'not you', { reason: 'not-you', fix: 'be another' })
      },
    })
    const Check = {
      ...health.Check,
      requestDeserialize: (bytes: Buffer) => {
        decoded += 1
        return health.Check.requestDeserialize(bytes)
      },
    }
    server.addService({ ...health, Check }, { Check: unary(() => serving) })
    const error = await failureOf(createClient('grpc.health.v1.Health', dial()).unary('Check', {}))
    expect(error).toMatchObject({ code: 'forbidden', reason: 'not-you', fix: 'be another' })
    expect(decoded).toBe(0)
  })

  test('while an asynchronous guard thinks, nothing of the request is decoded', async () => {
    let decoded = 0
    const asked = signalled()
    const answer = signalled<TestPeer>()
    const { server, dial } = await serve({
      guard: () => {
        asked.resolve()
        return answer.promise
      },
    })
    const Check = {
      ...health.Check,
      requestDeserialize: (bytes: Buffer) => {
        decoded += 1
        return health.Check.requestDeserialize(bytes)
      },
    }
    server.addService({ ...health, Check }, { Check: unary(() => serving) })
    const call = createClient('grpc.health.v1.Health', dial()).unary('Check', {})
    await asked.promise
    expect(decoded).toBe(0)
    answer.resolve({ number: 1 })
    expect(await call).toEqual(serving)
    expect(decoded).toBe(1)
  })

  test('a guard that never answers does not hold the call for ever', async () => {
    const { server, dial } = await serve({
      guardTimeoutMs: 50,
      guard: () => new Promise<never>(() => {}),
    })
    server.addService(health, { Check: unary(() => serving) })
    const error = await failureOf(createClient('grpc.health.v1.Health', dial()).unary('Check', {}))
    expect(error).toMatchObject({ code: 'unavailable', reason: 'guard-timeout' })
  })

  test('a stream whose first request never comes is ended, one that has sent it is not', async () => {
    const { server, dial } = await serve({ requestTimeoutMs: 2000 })
    server.addService(sync, {
      Follow: bidiStream(async function* (requests: AsyncIterable<{ applied: string }>) {
        for await (const { applied } of requests) yield { position: applied }
      }),
    })
    const client = createClient('countersign.sync.v1.Sync', dial())
    const asked = client.bidi('Follow')
    asked.send({ applied: '8' })
    const answers = asked.responses[Symbol.asyncIterator]()
    await answers.next()
    const silent = client.bidi('Follow').responses[Symbol.asyncIterator]()
    expect(await failureOf(silent.next())).toMatchObject({ reason: 'request-timeout' })
    asked.send({ applied: '9' })
    expect((await answers.next()).value).toMatchObject({ position: '9' })
  })

  test('each call counts from its headers on until it ends, and is refused where there is no room', async () => {
    let open = 0
    const { server, dial } = await serve({
      enter: () => {
        if (open === 1) throw new CountersignError('exhausted', 'full', { reason: 'full' })
        open += 1
        return () => {
          open -= 1
        }
      },
    })
    server.addService(sync, {
      Follow: bidiStream(async function* (requests: AsyncIterable<unknown>) {
        yield {}
        for await (const _ of requests);
      }),
    })
    const client = createClient('countersign.sync.v1.Sync', dial())
    const first = client.bidi('Follow')
    const responses = first.responses[Symbol.asyncIterator]()
    await responses.next()
    const second = client.bidi('Follow').responses[Symbol.asyncIterator]()
    expect(await failureOf(second.next())).toMatchObject({ reason: 'full' })
    expect(open).toBe(1)
    first.end()
    await responses.next()
    await expect.poll(() => open).toBe(0)
  })

  test('the guard sees the metadata of the call', async () => {
    const { server, dial } = await serve({
      guard: (peer, _method, metadata) => {
        if (metadata.get('workload.spiffe.io')[0] === 'true') return peer
        throw new CountersignError('invalid', 'security header missing', { reason: 'no-header' })
      },
    })
    server.addService(health, { Check: unary(() => serving) })
    const client = createClient('grpc.health.v1.Health', dial())
    expect((await failureOf(client.unary('Check', {}))).reason).toBe('no-header')
    expect(await client.unary('Check', {}, { metadata: { 'workload.spiffe.io': 'true' } })).toEqual(
      serving,
    )
  })
})

describe('streams', () => {
  test('a stream gives its messages in order and ends', async () => {
    const { server, dial } = await serve()
    server.addService(health, {
      Watch: serverStream(async function* (_: Request) {
        for (let i = 0; i < 50; i += 1) {
          yield { status: i % 2 === 0 ? ('SERVING' as const) : ('NOT_SERVING' as const) }
        }
      }),
    })
    const seen: string[] = []
    const client = createClient('grpc.health.v1.Health', dial())
    for await (const { status } of client.serverStream('Watch', {})) seen.push(status)
    expect(seen).toHaveLength(50)
    expect(seen[49]).toBe('NOT_SERVING')
  })

  test('an error in mid-stream comes after the messages before it', async () => {
    const { server, dial } = await serve()
    server.addService(health, {
      Watch: serverStream(async function* (_: Request) {
        yield serving
        yield serving
        throw new CountersignError('forbidden', 'no identity issued', { reason: 'no-identity' })
      }),
    })
    let seen = 0
    const client = createClient('grpc.health.v1.Health', dial())
    const error = await failureOf(
      (async () => {
        for await (const _ of client.serverStream('Watch', {})) seen += 1
      })(),
    )
    expect(error).toMatchObject({ code: 'forbidden', reason: 'no-identity' })
    expect(seen).toBe(2)
  })

  test('a caller that leaves sends the handler to its finally', async () => {
    const { server, dial } = await serve()
    const left = signalled<boolean>()
    server.addService(health, {
      Watch: serverStream(async function* (_: Request, { signal }) {
        try {
          yield serving
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
        } finally {
          left.resolve(signal.aborted)
        }
      }),
    })
    const client = createClient('grpc.health.v1.Health', dial())
    for await (const _ of client.serverStream('Watch', {})) break
    expect(await left.promise).toBe(true)
  })

  test('T12 a reader that takes nothing costs one message, and its end frees the handler', async () => {
    const { server, path } = await serve()
    let pulled = 0
    const left = signalled()
    const big = health.Check.responseSerialize({ status: 'SERVING' })
    const message = Buffer.concat([
      big,
      Buffer.from([0x12, 0xff, 0xff, 0x03]),
      Buffer.alloc(65_535),
    ])
    server.addService(health, {
      Watch: serverStream(async function* (_: Request) {
        try {
          for (;;) {
            pulled += 1
            yield message
          }
        } finally {
          left.resolve()
        }
      }),
    })
    const session = http2Connect('http://localhost', {
      createConnection: () => connect(path),
      settings: { initialWindowSize: 0 },
    })
    session.on('error', () => {})
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Watch',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.on('error', () => {})
    stream.end(Buffer.from([0, 0, 0, 0, 0]))
    await once(stream, 'response')
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve))
    expect(pulled).toBe(1)
    stream.close(constants.NGHTTP2_CANCEL)
    await left.promise
    session.destroy()
  })

  test('a bidirectional stream may answer before it is asked', async () => {
    const { server, dial } = await serve()
    server.addService(sync, {
      Follow: bidiStream(async function* (requests: AsyncIterable<{ applied: string }>) {
        yield { position: '7' }
        for await (const { applied } of requests) yield { position: applied }
      }),
    })
    const call = createClient('countersign.sync.v1.Sync', dial()).bidi('Follow')
    const responses = call.responses[Symbol.asyncIterator]()
    expect((await responses.next()).value).toMatchObject({ position: '7' })
    call.send({ applied: '8' })
    expect((await responses.next()).value).toMatchObject({ position: '8' })
    call.end()
    expect((await responses.next()).done).toBe(true)
  })

  test('requests that nobody asks for stay on the wire', async () => {
    const { server, dial } = await serve()
    let read = 0
    const Follow = {
      ...sync.Follow,
      requestDeserialize: (bytes: Buffer) => {
        read += 1
        return sync.Follow.requestDeserialize(bytes)
      },
    }
    const go = signalled()
    server.addService(
      { Follow },
      {
        Follow: bidiStream(async function* (requests: AsyncIterable<{ log_id: string }>) {
          yield {}
          await go.promise
          let count = 0
          for await (const _ of requests) count += 1
          yield { position: String(count) }
        }),
      },
    )
    const call = createClient('countersign.sync.v1.Sync', dial()).bidi('Follow')
    const responses = call.responses[Symbol.asyncIterator]()
    await responses.next()
    for (let i = 0; i < 200; i += 1) call.send({ log_id: 'x'.repeat(10_000) })
    call.end()
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve))
    expect(read).toBe(0)
    go.resolve()
    expect((await responses.next()).value).toMatchObject({ position: '200' })
  })

  test('a connection that breaks ends the requests; the signal says so', async () => {
    const { server, dial, sockets } = await serve()
    const left = signalled<unknown>()
    server.addService(sync, {
      Follow: bidiStream(async function* (requests: AsyncIterable<unknown>, { signal }) {
        yield {}
        for await (const _ of requests);
        left.resolve(signal.reason)
      }),
    })
    const call = createClient('countersign.sync.v1.Sync', dial()).bidi('Follow')
    const responses = call.responses[Symbol.asyncIterator]()
    await responses.next()
    for (const socket of sockets) socket.destroy()
    expect(await left.promise).toMatchObject({ reason: 'call-cancelled' })
    expect(await failureOf(responses.next())).toMatchObject({ code: 'unavailable' })
  })

  test('a caller that leaves ends the requests', async () => {
    const { server, dial } = await serve()
    const left = signalled()
    server.addService(sync, {
      Follow: bidiStream(async function* (requests: AsyncIterable<unknown>) {
        yield {}
        for await (const _ of requests);
        left.resolve()
      }),
    })
    const call = createClient('countersign.sync.v1.Sync', dial()).bidi('Follow')
    for await (const _ of call.responses) break
    await left.promise
  })

  test('no memory is left behind by 2,000 calls', { timeout: 120_000 }, async () => {
    const { server, dial } = await serve()
    let open = 0
    server.addService(health, {
      Check: unary(() => serving),
      Watch: serverStream(async function* (_: Request, { signal }) {
        open += 1
        try {
          yield serving
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
        } finally {
          open -= 1
        }
      }),
    })
    // Four: HTTP/2 cuts a connection that resets more than a thousand streams in a burst.
    const clients = Array.from({ length: 4 }, () => createClient('grpc.health.v1.Health', dial()))
    const heapAfter = async (callsOfEach: number): Promise<number> => {
      for (const client of clients) {
        let left = callsOfEach
        const call = async (): Promise<void> => {
          while (left > 0) {
            left -= 2
            await client.unary('Check', {})
            for await (const _ of client.serverStream('Watch', {})) break
          }
        }
        await Promise.all(Array.from({ length: 16 }, call))
      }
      await expect.poll(() => open).toBe(0)
      collectGarbage()
      return process.memoryUsage().heapUsed
    }
    const before = await heapAfter(250)
    const after = await heapAfter(500)
    // One object that stays of each call is several times that.
    expect(after - before).toBeLessThan(1_000_000)
  })
})

describe('ending', () => {
  test('endCalls ends the calls of the peers meant, with the error, and no others', async () => {
    const { server, dial } = await serve()
    server.addService(health, {
      Watch: serverStream(async function* (_: Request, { signal }) {
        yield serving
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      }),
      Check: unary(() => serving),
    })
    const [a, b] = [dial(), dial()].map((channel) =>
      createClient('grpc.health.v1.Health', channel)
        .serverStream('Watch', {})
        [Symbol.asyncIterator](),
    )
    await a?.next()
    await b?.next()
    const ended = failureOf(a?.next() ?? Promise.resolve())
    server.endCalls(
      (peer) => peer.number === 1,
      new CountersignError('forbidden', 'banned', { reason: 'agent-banned' }),
    )
    expect(await ended).toMatchObject({ code: 'forbidden', reason: 'agent-banned' })
    await b?.return?.()
  })

  test('close ends streams with unavailable, lets other calls finish, and takes no more', async () => {
    const { server, dial } = await serve()
    const begun = signalled()
    const finish = signalled()
    server.addService(health, {
      Watch: serverStream(async function* (_: Request, { signal }) {
        yield serving
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      }),
      Check: unary(async () => {
        begun.resolve()
        await finish.promise
        return serving
      }),
    })
    const client = createClient('grpc.health.v1.Health', dial())
    const stream = client.serverStream('Watch', {})[Symbol.asyncIterator]()
    await stream.next()
    const check = client.unary('Check', {})
    await begun.promise
    const closed = server.close(5000)
    expect(await failureOf(stream.next())).toMatchObject({
      code: 'unavailable',
      reason: 'server-stopping',
    })
    finish.resolve()
    expect(await check).toEqual(serving)
    await closed
    expect(await failureOf(client.unary('Check', {}))).toMatchObject({ code: 'unavailable' })
  })

  test('after the grace the sockets are destroyed, whatever still runs', async () => {
    const { server, dial, sockets } = await serve()
    const begun = signalled()
    server.addService(health, {
      Check: unary(() => {
        begun.resolve()
        return new Promise<never>(() => {})
      }),
    })
    const failed = failureOf(createClient('grpc.health.v1.Health', dial()).unary('Check', {}))
    await begun.promise
    await server.close(50)
    expect(sockets.size).toBe(0)
    expect((await failed).code).toBe('unavailable')
  })

  test('T12 a connection that makes no call is cut', async () => {
    const { path } = await serve({ firstCallTimeoutMs: 50 })
    const socket = connect(path)
    socket.on('error', () => {})
    socket.resume()
    await once(socket, 'close')
  })

  test('T12 garbage and hostile headers cost the connection, not the server', async () => {
    const { server, path, dial, sockets } = await serve()
    server.addService(health, { Check: unary(() => serving) })
    for (const garbage of [
      'GET / HTTP/1.1\r\n\r\n',
      '\0'.repeat(5000),
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nxxxxxxxxxxxxxxxxx',
    ]) {
      const socket = connect(path)
      socket.on('error', () => {})
      socket.resume()
      socket.write(garbage)
      await once(socket, 'close')
    }
    const session = http2Connect('http://localhost', { createConnection: () => connect(path) })
    session.on('error', () => {})
    const outcomes = await Promise.all(
      [
        { ':path': '/x\u00e9' },
        { ':path': '/', 'content-type': 'text/plain' },
        { 'grpc-timeout': '99999999H' },
        { 'grpc-timeout': 'soon' },
        { 'grpc-encoding': 'nonsense' },
        { 'x-bin': '%%%' },
      ].map(async (headers) => {
        const stream = session.request({
          ':method': 'POST',
          ':path': '/grpc.health.v1.Health/Check',
          'content-type': 'application/grpc',
          te: 'trailers',
          ...headers,
        })
        stream.on('error', () => {})
        stream.resume()
        stream.end(Buffer.from([1, 0, 0, 0, 0]))
        await once(stream, 'close')
      }),
    )
    expect(outcomes).toHaveLength(6)
    session.destroy()
    expect(await createClient('grpc.health.v1.Health', dial()).unary('Check', {})).toEqual(serving)
    await expect.poll(() => sockets.size).toBe(1)
  })
})

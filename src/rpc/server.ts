import type { Duplex } from 'node:stream'
import {
  logVerbosity,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerInterceptor,
  type ServiceDefinition,
  setLogVerbosity,
} from '@grpc/grpc-js'
import { CountersignError } from '../errors.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { Deadlines } from './deadlines.ts'
import { passOverGoneStreams } from './gone-streams.ts'
import { type Encode, type RpcHandler, shapeOf, unimplemented } from './handler.ts'
import { type CallHost, refusedCall, ServerCall } from './server-call.ts'
import { codeWord } from './status.ts'
import { boundStreams, streamOf } from './stream-bounds.ts'

// grpc-js would write header bytes of the caller's choice to standard error.
setLogVerbosity(logVerbosity.NONE)

export interface RpcServerOptions<P extends object, C> {
  /** Counts a call as open from its headers on; throws to refuse it. What comes back runs when its stream has closed. */
  readonly enter?: (peer: P) => () => void
  /**
   * Who is calling, from what the connection proved. Throws to refuse. It runs before the request is
   * read; while a promise of it is open the call is held, for at most `guardTimeoutMs`.
   */
  readonly guard: (peer: P, method: string, metadata: Metadata) => C | Promise<C>
  readonly maxReceiveBytes: number
  readonly maxStreamsPerConnection: number
  readonly guardTimeoutMs?: number
  /** A call whose request, or the first of them, has not come whole by then ends with DEADLINE_EXCEEDED. */
  readonly requestTimeoutMs?: number
  /** A connection that has made no call for this long after it was accepted is cut. */
  readonly firstCallTimeoutMs?: number
  /** A connection without a call for this long is closed in good order. */
  readonly idleMs?: number
  /** How often a silent peer is asked whether it is alive; it has `keepaliveTimeoutMs` to answer. */
  readonly keepaliveMs?: number
  readonly keepaliveTimeoutMs?: number
  readonly clock?: Clock
  readonly log: Log
  /** After each call: `/package.Service/Rpc` of a known RPC, and `ok` or an error code. */
  readonly observe?: ((method: string, code: string, elapsedMs: number) => void) | undefined
  /** What a call, in the guard or in its handler, has failed with. Must not throw. */
  readonly onFailure?: ((peer: P, method: string, error: unknown) => void) | undefined
}

export interface RpcServer<P extends object, C> {
  /** An RPC of the definition without a handler answers UNIMPLEMENTED. */
  addService(definition: ServiceDefinition, handlers: Readonly<Record<string, RpcHandler<C>>>): void
  /** Serves a connection whose other end has been identified; the server owns the socket from here. */
  accept(socket: Duplex, peer: P): void
  /** Streams end with UNAVAILABLE; other calls have `graceMs` to end before sockets are destroyed. */
  close(graceMs: number): Promise<void>
  /** Ends the running calls of these peers with the error. */
  endCalls(which: (peer: P) => boolean, error: CountersignError): void
}

interface Connection<P, C> {
  readonly peer: P
  readonly socket: Duplex
  readonly calls: Map<ServerCall<C>, number>
  readonly host: CallHost<C>
}

const defaults = {
  guardTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  firstCallTimeoutMs: 10_000,
  idleMs: 300_000,
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 10_000,
}

export function createRpcServer<P extends object, C>(
  options: RpcServerOptions<P, C>,
): RpcServer<P, C> {
  const { enter, guard, log, observe } = options
  const clock = options.clock ?? systemClock
  const deadlines = new Deadlines(clock)
  const guardTimeoutMs = options.guardTimeoutMs ?? defaults.guardTimeoutMs
  const requestTimeoutMs = options.requestTimeoutMs ?? defaults.requestTimeoutMs
  const firstCallTimeoutMs = options.firstCallTimeoutMs ?? defaults.firstCallTimeoutMs
  const handlers = new Map<string, { handler: RpcHandler<C>; encode: Encode }>()
  // The key travels as the socket's remote address, which grpc-js hands to interceptors: nothing
  // that the peer sends can name another's.
  const connections = new Map<string, Connection<P, C>>()
  let lastKey = 0
  let closing: CountersignError | undefined
  let onEmpty: (() => void) | undefined

  const hostOf = (peer: P, connection: () => Connection<P, C>): CallHost<C> => ({
    admit(call) {
      if (closing !== undefined) throw closing
      if (enter !== undefined) call.stream.once('close', enter(peer))
      return guard(peer, call.method, call.metadata)
    },
    serve(call, context) {
      const { handler, encode } = handlers.get(call.method) ?? unknownMethod()
      handler.serve(call, context, encode)
    },
    begun(call) {
      const { calls, socket } = connection()
      deadlines.clear(socket)
      calls.set(call, observe === undefined ? 0 : clock.monotonicMs())
    },
    held: (call) => deadlines.set(call, guardTimeoutMs, () => call.stop(guardTooSlow())),
    awaiting: (call) => deadlines.set(call, requestTimeoutMs, () => call.stop(requestTooSlow())),
    released: (call) => deadlines.clear(call),
    ended(call, code) {
      deadlines.clear(call)
      bounds.answered(call.stream)
      const { calls } = connection()
      const begunMs = calls.get(call) ?? 0
      calls.delete(call)
      observe?.(call.method, codeWord(code), clock.monotonicMs() - begunMs)
    },
    failed(call, error) {
      options.onFailure?.(peer, call.method, error)
      if (error instanceof CountersignError && error.code !== 'internal') return
      log.error('a call failed unexpectedly', { method: call.method, error })
    },
  })

  const intercept: ServerInterceptor = (definition, call) => {
    const connection = connections.get(call.getConnectionInfo().remoteAddress ?? '')
    return connection === undefined
      ? refusedCall(call)
      : new ServerCall(call, streamOf(call), definition.path, connection.host)
  }

  const server = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': options.maxReceiveBytes,
    'grpc.max_concurrent_streams': options.maxStreamsPerConnection,
    'grpc.max_connection_idle_ms': options.idleMs ?? defaults.idleMs,
    'grpc.keepalive_time_ms': options.keepaliveMs ?? defaults.keepaliveMs,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? defaults.keepaliveTimeoutMs,
    interceptors: [intercept],
  })
  const bounds = boundStreams(server, deadlines)
  // After it, so that it is asked before: nothing is answered on a stream that is gone.
  passOverGoneStreams(server)
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())

  return {
    addService(definition, given) {
      const names = new Set(Object.keys(definition))
      for (const name of Object.keys(given)) {
        if (!names.has(name)) throw new TypeError(`the service has no RPC ${name}`)
      }
      for (const [name, method] of Object.entries(definition)) {
        const shape = shapeOf(method)
        const handler = given[name] ?? unimplemented(shape)
        if (handler.shape !== shape) throw new TypeError(`the RPC ${name} is of shape ${shape}`)
        const encode: Encode = (message) =>
          Buffer.isBuffer(message) ? message : method.responseSerialize(message)
        handlers.set(method.path, { handler, encode })
        // ServerCall serves the call; grpc-js only decodes with this, and passes ready bytes on.
        server.register(
          method.path,
          () => {},
          (bytes) => bytes as Buffer,
          method.requestDeserialize,
          shape,
        )
      }
    },
    accept(socket, peer) {
      socket.on('error', (error) => log.debug('a connection failed', { error: error.message }))
      if (closing !== undefined || socket.destroyed) {
        socket.destroy()
        return
      }
      lastKey += 1
      const key = `peer:${lastKey}`
      const connection: Connection<P, C> = {
        peer,
        socket,
        calls: new Map(),
        host: hostOf(peer, () => connection),
      }
      Object.defineProperty(socket, 'remoteAddress', { value: key, configurable: true })
      connections.set(key, connection)
      deadlines.set(socket, firstCallTimeoutMs, () => socket.destroy())
      socket.once('close', () => {
        deadlines.clear(socket)
        connections.delete(key)
        if (connections.size === 0) onEmpty?.()
      })
      injector.injectConnection(socket as never)
    },
    async close(graceMs) {
      closing ??= new CountersignError('unavailable', 'the server is stopping', {
        reason: 'server-stopping',
      })
      for (const { calls } of connections.values()) {
        for (const call of calls.keys()) {
          if (handlers.get(call.method)?.handler.shape !== 'unary') call.stop(closing)
        }
      }
      injector.destroy()
      const empty = new Promise<void>((resolve) => {
        onEmpty = resolve
        if (connections.size === 0) resolve()
      })
      const grace = new AbortController()
      await Promise.race([empty, clock.sleep(graceMs, grace.signal).catch(() => {})])
      grace.abort()
      for (const { socket } of connections.values()) socket.destroy()
      await empty
    },
    endCalls(which, error) {
      for (const { peer, calls } of connections.values()) {
        if (!which(peer)) continue
        for (const call of [...calls.keys()]) call.stop(error)
      }
    },
  }
}

function unknownMethod(): never {
  throw new Error('a call of a method that was not added')
}

function guardTooSlow(): CountersignError {
  return new CountersignError('unavailable', 'the caller could not be identified in time', {
    reason: 'guard-timeout',
  })
}

function requestTooSlow(): CountersignError {
  return new CountersignError('deadline', 'the request did not come in time', {
    reason: 'request-timeout',
    fix: 'send the request with the call, and close the sending side where it is the only one',
  })
}

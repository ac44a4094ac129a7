import { type CallOptions, Metadata, type ServiceError } from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import { systemClock } from '../runtime/clock.ts'
import type { RpcChannel } from './dial.ts'
import { type ServiceDefinitions, type ServiceName, serviceDefinition } from './services.ts'

/** The RPCs that a definition names, without the index signature that the generated types carry. */
type RpcName<D> = Extract<
  keyof { [K in keyof D as string extends K ? never : number extends K ? never : K]: D[K] },
  string
>
type RequestOf<M> = M extends MethodDefinition<infer I, infer _R, infer _I, infer _O> ? I : never
type ResponseOf<M> = M extends MethodDefinition<infer _I, infer _R, infer _Q, infer O> ? O : never

export interface RpcCallOptions {
  /** Its reason is what an aborted call throws. */
  readonly signal?: AbortSignal | undefined
  /** Unary calls have 10 s unless told; streams have as long as they like. */
  readonly timeoutMs?: number
  readonly metadata?: Readonly<Record<string, string>>
}

export interface BidiCall<Req, Res> {
  /** Does nothing once the call is over. */
  send(message: Req): void
  end(): void
  /** Read once. Leaving the loop ends the call. */
  readonly responses: AsyncIterable<Res>
}

/** Failed calls throw a `CountersignError` with the code, reason and retry hint that the server gave. */
export interface RpcClient<D> {
  unary<R extends RpcName<D>>(
    rpc: R,
    request: RequestOf<D[R]>,
    options?: RpcCallOptions,
  ): Promise<ResponseOf<D[R]>>
  /** The call begins with the first read; leaving the loop ends it. */
  serverStream<R extends RpcName<D>>(
    rpc: R,
    request: RequestOf<D[R]>,
    options?: RpcCallOptions,
  ): AsyncIterable<ResponseOf<D[R]>>
  bidi<R extends RpcName<D>>(
    rpc: R,
    options?: RpcCallOptions,
  ): BidiCall<RequestOf<D[R]>, ResponseOf<D[R]>>
}

const unaryTimeoutMs = 10_000

interface Method {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  readonly requestSerialize: (message: unknown) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => unknown
}

/** A client of one service over a channel that may carry others too. */
export function createClient<N extends ServiceName>(
  name: N,
  channel: RpcChannel,
): RpcClient<ServiceDefinitions[N]> {
  const methods = serviceDefinition(name) as unknown as Readonly<Record<string, Method>>
  const methodOf = (rpc: string, requestStream: boolean, responseStream: boolean): Method => {
    const method = methods[rpc]
    if (method?.requestStream !== requestStream || method.responseStream !== responseStream) {
      throw new TypeError(`${name} has no RPC ${rpc} of that shape`)
    }
    return method
  }
  const client: RpcClient<Readonly<Record<'rpc', Method>>> = {
    unary: (rpc, request, options) =>
      callUnary(channel, methodOf(rpc, false, false), request, options ?? {}) as never,
    serverStream: (rpc, request, options) =>
      openServerStream(channel, methodOf(rpc, false, true), request, options ?? {}) as never,
    bidi: (rpc, options) => openBidi(channel, methodOf(rpc, true, true), options ?? {}) as never,
  }
  return client as unknown as RpcClient<ServiceDefinitions[N]>
}

async function callUnary(
  channel: RpcChannel,
  method: Method,
  request: unknown,
  options: RpcCallOptions,
): Promise<unknown> {
  const { signal, timeoutMs = unaryTimeoutMs } = options
  signal?.throwIfAborted()
  let abort = (): void => {}
  try {
    return await new Promise((resolve, reject) => {
      const call = channel.client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadataOf(options),
        callOptions(timeoutMs),
        (error, response) => (error === null ? resolve(response) : reject(error)),
      )
      abort = () => call.cancel()
      signal?.addEventListener('abort', abort, { once: true })
    })
  } catch (error) {
    throw failure(channel, error, signal)
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

async function* openServerStream(
  channel: RpcChannel,
  method: Method,
  request: unknown,
  options: RpcCallOptions,
): AsyncGenerator<unknown, void, void> {
  options.signal?.throwIfAborted()
  const call = channel.client.makeServerStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    request,
    metadataOf(options),
    callOptions(options.timeoutMs),
  )
  yield* responsesOf(channel, call, options.signal)
}

function openBidi(
  channel: RpcChannel,
  method: Method,
  options: RpcCallOptions,
): BidiCall<unknown, unknown> {
  options.signal?.throwIfAborted()
  const call = channel.client.makeBidiStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    metadataOf(options),
    callOptions(options.timeoutMs),
  )
  return {
    send(message) {
      if (call.writable) call.write(message)
    },
    end() {
      if (call.writable) call.end()
    },
    responses: responsesOf(channel, call, options.signal),
  }
}

interface Responses extends AsyncIterable<unknown> {
  cancel(): void
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** The listeners are on from the first moment, since a call may fail before anybody reads it. */
function responsesOf(
  channel: RpcChannel,
  call: Responses,
  signal: AbortSignal | undefined,
): AsyncIterable<unknown> {
  let failed: Error | undefined
  const abort = (): void => call.cancel()
  call.on('error', (error) => {
    failed ??= error
  })
  signal?.addEventListener('abort', abort, { once: true })
  async function* read(): AsyncGenerator<unknown, void, void> {
    try {
      yield* call
      // It failed before this began to read; what came before the failure has been read now.
      if (failed !== undefined) throw failed
    } catch (error) {
      throw failure(channel, error, signal)
    } finally {
      signal?.removeEventListener('abort', abort)
      call.cancel()
    }
  }
  return read()
}

function failure(channel: RpcChannel, error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason
  return error instanceof Error && 'details' in error && 'code' in error
    ? channel.explain(error as ServiceError)
    : error
}

function callOptions(timeoutMs: number | undefined): CallOptions {
  // grpc-js counts from the system's clock.
  return timeoutMs === undefined ? {} : { deadline: systemClock.now().getTime() + timeoutMs }
}

function metadataOf(options: RpcCallOptions): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(options.metadata ?? {})) metadata.set(name, value)
  return metadata
}

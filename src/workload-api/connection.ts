import { CountersignError } from '../errors.ts'
import type { RpcCallOptions } from '../rpc/client.ts'
import { keepProcessAlive } from '../runtime/clock.ts'
import { type Endpoint, resolveEndpoint } from './endpoint.ts'
import type { WorkloadApi } from './grpc.ts'
import type { CallOptions } from './options.ts'
import type { StreamMessages } from './profile.ts'

const defaultTimeoutMs = 10_000

/** One connection to a Workload API. gRPC is loaded by its first call, and an idle one keeps no process alive. */
export class Connection {
  readonly #endpoint: Endpoint
  readonly #closing = new AbortController()
  #api: Promise<WorkloadApi> | undefined

  /** The given endpoint, or the one that `SPIFFE_ENDPOINT_SOCKET` names. Throws `invalid` / `endpoint-…`. */
  constructor(endpoint: string | undefined) {
    this.#endpoint = resolveEndpoint(endpoint, process.env)
  }

  /** Aborts as the connection is closed, or as the given one does. */
  signal(given?: AbortSignal): AbortSignal {
    const { signal } = this.#closing
    return given === undefined ? signal : AbortSignal.any([signal, given])
  }

  /** One call, for which the process is kept alive. */
  async call<T>(
    { signal, timeoutMs = defaultTimeoutMs }: CallOptions,
    work: (api: WorkloadApi, options: RpcCallOptions) => Promise<T>,
  ): Promise<T> {
    const letGo = keepProcessAlive()
    try {
      const api = await this.#open()
      const { metadata } = api
      return await work(api, { metadata, timeoutMs, signal: this.signal(signal) })
    } finally {
      letGo()
    }
  }

  /** One stream, to its end. The process ends all the same where nothing else keeps it alive. */
  async *stream<R extends keyof StreamMessages>(
    rpc: R,
    signal: AbortSignal,
  ): AsyncGenerator<StreamMessages[R], void, void> {
    const api = await this.#open()
    yield* messagesOf(api, rpc, { metadata: api.metadata, signal })
  }

  /** Ends all that runs with `cancelled` / `client-closed`. */
  close(): void {
    this.#closing.abort(
      new CountersignError('cancelled', 'the client has been closed', { reason: 'client-closed' }),
    )
    this.#api?.then(
      (api) => api.close(),
      () => {},
    )
  }

  #open(): Promise<WorkloadApi> {
    this.#closing.signal.throwIfAborted()
    this.#api ??= import('./grpc.ts').then(({ openWorkloadApi }) =>
      openWorkloadApi(this.#endpoint, { keepAlive: false }),
    )
    return this.#api
  }
}

/** The first message of a stream. Throws `unavailable` / `stream-ended` where there is none. */
export async function firstMessage<R extends keyof StreamMessages>(
  api: WorkloadApi,
  rpc: R,
  options: RpcCallOptions,
): Promise<StreamMessages[R]> {
  for await (const message of messagesOf(api, rpc, options)) return message
  throw new CountersignError('unavailable', 'the stream ended without a message', {
    reason: 'stream-ended',
  })
}

function messagesOf<R extends keyof StreamMessages>(
  api: WorkloadApi,
  rpc: R,
  options: RpcCallOptions,
): AsyncIterable<StreamMessages[R]> {
  return api.rpc.serverStream<keyof StreamMessages>(rpc, {}, options) as AsyncIterable<
    StreamMessages[R]
  >
}

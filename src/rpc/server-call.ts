import type { ServerHttp2Stream } from 'node:http2'
import { Metadata, ServerInterceptingCall, type StatusObject } from '@grpc/grpc-js'
import { CountersignError } from '../errors.ts'
import { systemClock } from '../runtime/clock.ts'
import { isAbortError } from '../runtime/tasks.ts'
import type { CallContext, PushCall } from './call-context.ts'
import { RequestStream } from './request-stream.ts'
import { type RpcStatus, toStatus } from './status.ts'

type Next = ConstructorParameters<typeof ServerInterceptingCall>[0]
type Listener = Parameters<Next['start']>[0]

/** What a call needs of the server that it runs on. */
export interface CallHost<C> {
  /** Who calls, and that there is room; throws, or rejects, to refuse. */
  admit(call: ServerCall<C>): C | Promise<C>
  /** Runs once the caller is known. */
  serve(call: ServerCall<C>, context: CallContext<C>): void
  begun(call: ServerCall<C>): void
  held(call: ServerCall<C>): void
  /** Its request, or the first of them, is yet to come. */
  awaiting(call: ServerCall<C>): void
  /** It is no longer held, or no longer awaited. */
  released(call: ServerCall<C>): void
  /** Once a call that has begun; `code` is a gRPC code. */
  ended(call: ServerCall<C>, code: number): void
  failed(call: ServerCall<C>, error: unknown): void
}

const ok = { code: 0, details: 'OK' } as const
const cancelled = 1
const deadlineExceeded = 4
const leftBehind = {
  late: () =>
    new CountersignError('deadline', 'the deadline has passed', { reason: 'call-deadline' }),
  cancelled: () =>
    new CountersignError('cancelled', 'the caller has left', { reason: 'call-cancelled' }),
}
const nothing = (): void => {}
// grpc-js would say that it takes compressed messages.
const uncompressed = new Metadata()
uncompressed.set('grpc-accept-encoding', 'identity')

/**
 * One call on the server. It stands in grpc-js' chain as the last interceptor and serves the call by
 * itself: nothing of the request is read, let alone decoded, before the guard has answered, and each
 * further message is read only when somebody asks for it.
 */
export class ServerCall<C> extends ServerInterceptingCall implements PushCall<C> {
  readonly stream: ServerHttp2Stream
  readonly method: string
  readonly #next: Next
  readonly #host: CallHost<C>
  #caller: { readonly value: C } | undefined
  #metadata: Metadata | undefined
  #ended = false
  /** Why it was ended from outside. */
  #stopped: CountersignError | undefined
  /** The same where the caller ended it: made when it is asked for, since an error costs a stack. */
  #left: 'late' | 'cancelled' | undefined
  #abort: AbortController | undefined
  #onMessage: (message: unknown) => void = nothing
  #onHalfClose: () => void = nothing
  #onWriteEnd: () => void = nothing
  readonly #onEnd: (() => void)[] = []

  constructor(next: Next, stream: ServerHttp2Stream, method: string, host: CallHost<C>) {
    super(next)
    this.stream = stream
    this.method = method
    this.#next = next
    this.#host = host
  }

  get caller(): C {
    if (this.#caller === undefined) throw new Error('the guard has not answered yet')
    return this.#caller.value
  }

  get metadata(): Metadata {
    if (this.#metadata === undefined) throw new Error('the call has not begun')
    return this.#metadata
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    const reason = this.#reason
    if (reason !== undefined) this.#abort.abort(reason)
    return this.#abort.signal
  }

  get ended(): boolean {
    return this.#ended
  }

  // What grpc-js would do with the call is not wanted: its listener is left alone.
  override start(_listener: Listener): void {
    this.#next.start({
      onReceiveMetadata: (metadata) => this.#begin(metadata),
      onReceiveMessage: (message) => this.#onMessage(message),
      onReceiveHalfClose: () => this.#onHalfClose(),
      onCancel: () => this.#leave(),
    })
  }

  #begin(metadata: Metadata): void {
    this.#metadata = metadata
    this.#host.begun(this)
    try {
      const caller = this.#host.admit(this)
      if (caller instanceof Promise) {
        this.#host.held(this)
        caller.then(
          (value) => this.#admitted(value),
          (error: unknown) => this.#refused(error),
        )
      } else {
        this.#serve(caller)
      }
    } catch (error) {
      this.fail(error)
    }
  }

  #admitted(caller: C): void {
    this.#host.released(this)
    if (!this.#ended) this.#serve(caller)
  }

  #refused(error: unknown): void {
    this.#host.released(this)
    this.fail(error)
  }

  #serve(caller: C): void {
    this.#caller = { value: caller }
    this.#host.serve(this, this)
  }

  /** For RPCs with one request: reads it and hands it on once the caller has closed its side. */
  onRequest(take: (request: unknown) => void): void {
    let request: { readonly message: unknown } | undefined
    this.#onMessage = (message) => {
      if (request !== undefined) return this.fail(wrongRequestCount())
      request = { message }
      this.#next.startRead()
    }
    this.#onHalfClose = () => {
      this.#host.released(this)
      if (request === undefined) this.fail(wrongRequestCount())
      else if (!this.#ended) take(request.message)
    }
    this.#host.awaiting(this)
    this.#next.startRead()
  }

  /**
   * For RPCs with a stream of requests: each `next` reads one message off the wire. It is done when
   * the caller has closed its side, which one that leaves may do first, and when the call is over.
   */
  requests(): AsyncIterableIterator<unknown> {
    const requests = new RequestStream((isFirst) => {
      if (isFirst) this.#host.awaiting(this)
      this.#next.startRead()
    })
    this.#onMessage = (message) => {
      this.#host.released(this)
      requests.take(message)
    }
    this.#onHalfClose = () => {
      this.#host.released(this)
      requests.finish()
    }
    this.onEnd(() => requests.finish())
    return requests
  }

  /** Sends the one response and ends the call. */
  respond(message: Buffer): void {
    if (this.#ended) return
    this.send(message, nothing)
    this.sendStatus(ok)
  }

  send(message: Buffer, sent: () => void): void {
    if (this.#ended) return
    this.#next.sendMetadata(uncompressed)
    this.#next.sendMessage(message, sent)
  }

  /** Sends a message; true once it is on its way, so that at most one waits for a slow reader. */
  write(message: Buffer): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false)
    return new Promise((resolve) => {
      this.#onWriteEnd = () => resolve(false)
      this.send(message, () => resolve(true))
    })
  }

  finish(): void {
    this.#endWith(ok)
  }

  fail(error: unknown): void {
    if (this.#ended) return
    this.#host.failed(this, error)
    this.#endWith(toStatus(error))
  }

  /** What a handler throws after the call was over: worth a line unless it only says so. */
  failedLate(error: unknown): void {
    if (error === this.#reason || isAbortError(error)) return
    this.#host.failed(this, error)
  }

  /** Ends the call from outside: the handler sees `signal` abort, the caller gets the error. */
  stop(error: CountersignError): void {
    if (this.#ended) return
    this.#stopped = error
    this.#endWith(toStatus(error))
  }

  onEnd(listener: () => void): void {
    if (this.#ended) listener()
    else this.#onEnd.push(listener)
  }

  override sendStatus(
    status: Partial<StatusObject> & Pick<StatusObject, 'code' | 'details'>,
  ): void {
    this.#endWith(status)
  }

  #endWith(status: RpcStatus | Parameters<Next['sendStatus']>[0]): void {
    if (this.#ended) return
    this.#close(status.code)
    this.#next.sendStatus(status)
  }

  /** grpc-js says so at the end of every call; before a status was sent it is the caller's doing. */
  #leave(): void {
    if (this.#ended) return
    // grpc-js counts deadlines by the system's clock.
    const late = Number(this.#next.getDeadline()) <= systemClock.now().getTime()
    this.#left = late ? 'late' : 'cancelled'
    this.#close(late ? deadlineExceeded : cancelled)
  }

  get #reason(): CountersignError | undefined {
    if (this.#left !== undefined) this.#stopped ??= leftBehind[this.#left]()
    return this.#stopped
  }

  #close(code: number): void {
    this.#ended = true
    this.#onMessage = nothing
    this.#onHalfClose = nothing
    if (this.#abort !== undefined && this.#reason !== undefined) this.#abort.abort(this.#reason)
    this.#onWriteEnd()
    for (const listener of this.#onEnd) listener()
    this.#onEnd.length = 0
    this.#host.ended(this, code)
  }
}

function wrongRequestCount(): CountersignError {
  return new CountersignError('invalid', 'this call takes exactly one request', {
    reason: 'rpc-request-count',
  })
}

/** For a call whose connection is gone already. */
export function refusedCall(next: Next): ServerInterceptingCall {
  return new ServerInterceptingCall(next, {
    start: (start) =>
      start({
        onReceiveMetadata: () =>
          next.sendStatus(
            toStatus(
              new CountersignError('unavailable', 'the connection is gone', {
                reason: 'connection-gone',
              }),
            ),
          ),
      }),
  })
}

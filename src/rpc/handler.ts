import { CountersignError } from '../errors.ts'
import type { CallContext, PushCall } from './call-context.ts'
import type { ServerCall } from './server-call.ts'

export type Encode = (message: unknown) => Buffer
export type Shape = 'unary' | 'serverStream' | 'bidi'

/** Serves one RPC. Made by `unary`, `serverStream`, `pushStream` and `bidiStream`. */
export interface RpcHandler<C> {
  readonly shape: Shape
  serve(call: ServerCall<C>, context: CallContext<C>, encode: Encode): void
}

/** One request, one response. The response may be a Buffer: then it is the encoded message. */
export function unary<C, Req, Res>(
  fn: (request: Req, context: CallContext<C>) => Res | Promise<Res>,
): RpcHandler<C> {
  return {
    shape: 'unary',
    serve(call, context, encode) {
      const respond = (response: unknown): void => {
        try {
          call.respond(encode(response))
        } catch (error) {
          call.fail(error)
        }
      }
      call.onRequest((request) => {
        try {
          const response = fn(request as Req, context)
          if (response instanceof Promise) response.then(respond, (error) => call.fail(error))
          else respond(response)
        } catch (error) {
          call.fail(error)
        }
      })
    },
  }
}

/**
 * One request, a stream of responses. The next response is asked for once the one before is on its
 * way. When the caller leaves, `signal` aborts and the iterator's `return` is called.
 */
export function serverStream<C, Req, Res>(
  fn: (request: Req, context: CallContext<C>) => AsyncIterable<Res>,
): RpcHandler<C> {
  return {
    shape: 'serverStream',
    serve(call, context, encode) {
      call.onRequest((request) => void send(call, encode, () => fn(request as Req, context)))
    },
  }
}

/**
 * One request, a stream of responses that the handler sends when there are any: for many streams that
 * mostly wait. It keeps to one message at a time, and ends the call; what it throws ends it too.
 */
export function pushStream<C, Req>(open: (request: Req, call: PushCall<C>) => void): RpcHandler<C> {
  return {
    shape: 'serverStream',
    serve(call) {
      call.onRequest((request) => {
        try {
          open(request as Req, call)
        } catch (error) {
          call.fail(error)
        }
      })
    },
  }
}

/**
 * Two streams that run side by side: responses may come before any request. A request is read off
 * the wire when the handler asks for it. The requests are done when the caller closed its side (one
 * that leaves may do so first) and when the call is over, of which `signal` tells.
 */
export function bidiStream<C, Req, Res>(
  fn: (requests: AsyncIterable<Req>, context: CallContext<C>) => AsyncIterable<Res>,
): RpcHandler<C> {
  return {
    shape: 'bidi',
    serve(call, context, encode) {
      const requests = call.requests() as AsyncIterable<Req>
      void send(call, encode, () => fn(requests, context))
    },
  }
}

async function send<C>(
  call: ServerCall<C>,
  encode: Encode,
  open: () => AsyncIterable<unknown>,
): Promise<void> {
  try {
    const iterator = open()[Symbol.asyncIterator]()
    // Where the call ends from outside, a handler that stands at a `yield` is sent to its `finally`.
    call.onEnd(() => {
      iterator.return?.().catch((error: unknown) => call.failedLate(error))
    })
    for (;;) {
      const next = await iterator.next()
      if (call.ended || next.done) break
      if (!(await call.write(encode(next.value)))) break
    }
    call.finish()
  } catch (error) {
    if (call.ended) call.failedLate(error)
    else call.fail(error)
  }
}

export function shapeOf(method: { requestStream: boolean; responseStream: boolean }): Shape {
  if (!method.requestStream) return method.responseStream ? 'serverStream' : 'unary'
  if (!method.responseStream) throw new TypeError('client streaming is not in use')
  return 'bidi'
}

export function unimplemented<C>(shape: Shape): RpcHandler<C> {
  return {
    shape,
    serve: (call) =>
      call.fail(
        new CountersignError('unimplemented', 'this server does not have that call', {
          reason: 'rpc-unimplemented',
        }),
      ),
  }
}

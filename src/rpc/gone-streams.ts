import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Server } from '@grpc/grpc-js'

type OnStream = (
  interceptors: unknown,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
) => void

/**
 * Has a server of grpc-js ask `before` of each call, which has `serve` go on with it. Goes before the first
 * `createConnectionInjector`.
 */
export function beforeCalls(
  server: Server,
  before: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, serve: () => void) => void,
): void {
  const inner = server as unknown as Record<string, OnStream | undefined>
  // The one with, the other without channelz.
  for (const name of ['_channelzHandler', '_streamHandler']) {
    const serve = inner[name]
    if (serve === undefined) continue
    inner[name] = (interceptors, stream, headers) =>
      before(stream, headers, () => serve.call(server, interceptors, stream, headers))
  }
}

/**
 * Has a server of grpc-js pass over calls whose stream is gone when it is told of them. By itself it answers what is
 * not gRPC, or names no method, without a look, and what Node throws then ends the process: bytes that break HTTP/2
 * after the call, and a caller who hangs up at once, are enough for it.
 */
export function passOverGoneStreams(server: Server): void {
  beforeCalls(server, (stream, _headers, serve) => {
    if (!stream.destroyed && !stream.closed) serve()
    // It may yet say what it ended with, which would end the process too.
    else stream.on('error', () => {})
  })
}

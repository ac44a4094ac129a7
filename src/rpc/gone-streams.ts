import type { Http2Stream } from 'node:http2'
import type { Server } from '@grpc/grpc-js'

type OnStream = (interceptors: unknown, stream: Http2Stream, headers: unknown) => void

/**
 * Has a server of grpc-js pass over calls whose stream is gone when it is told of them. By itself it answers what is
 * not gRPC, or names no method, without a look, and what Node throws then ends the process: bytes that break HTTP/2
 * after the call, and a caller who hangs up at once, are enough for it. Goes before the first `createConnectionInjector`.
 */
export function passOverGoneStreams(server: Server): void {
  const inner = server as unknown as Record<string, OnStream | undefined>
  // The one with, the other without channelz.
  for (const name of ['_channelzHandler', '_streamHandler']) {
    const serve = inner[name]
    if (serve === undefined) continue
    inner[name] = (interceptors, stream, headers) => {
      if (!stream.destroyed && !stream.closed) serve.call(server, interceptors, stream, headers)
      // It may yet say what it ended with, which would end the process too.
      else stream.on('error', () => {})
    }
  }
}

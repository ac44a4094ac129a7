import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { Server, ServerInterceptingCallInterface } from '@grpc/grpc-js'
import { CountersignError } from '../errors.ts'
import type { Deadlines } from './deadlines.ts'
import { beforeCalls } from './gone-streams.ts'
import { toStatus } from './status.ts'

/** Names and values. Node's own bound counts only once the caller has agreed to it. */
const maxMetadataBytes = 16_384
/** How long a caller has to close its side of a call that has been answered, and how long to take the answer. */
const closeWithinMs = 1000
const takeWithinMs = 30_000

export interface StreamBounds {
  /** The call has been answered. */
  answered(stream: ServerHttp2Stream): void
}

/**
 * Bounds what a stream holds for a caller who means no good: calls with long metadata, and with messages that grow
 * when they are read, are refused, and one that has been answered ends soon, though its caller should never close
 * its side, or never take the answer. Goes before the first `createConnectionInjector`.
 */
export function boundStreams(server: Server, deadlines: Deadlines): StreamBounds {
  const close = (stream: ServerHttp2Stream): boolean => {
    // What is on its way yet would be cut off.
    const isSent = !stream.destroyed && stream.state.localClose === 1
    if (isSent) stream.close(constants.NGHTTP2_NO_ERROR)
    return isSent
  }
  const answered = (stream: ServerHttp2Stream): void => {
    if (stream.closed) return
    stream.once('close', () => deadlines.clear(stream))
    deadlines.set(stream, closeWithinMs, () => {
      if (close(stream)) return
      deadlines.set(stream, takeWithinMs, () => stream.close(constants.NGHTTP2_CANCEL))
    })
  }
  beforeCalls(server, (stream, headers, serve) => {
    const refusal = refusalOf(headers)
    if (refusal === undefined) serve()
    else refuse(stream, refusal)
    if (!stream.writableEnded) return
    answered(stream)
    setImmediate(close, stream)
  })
  return { answered }
}

/** The stream that grpc-js keeps of a call to itself. */
export function streamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream {
  return (call as unknown as { readonly stream: ServerHttp2Stream }).stream
}

function refusalOf(headers: IncomingHttpHeaders): CountersignError | undefined {
  let bytes = 0
  for (const name in headers) bytes += name.length + (headers[name]?.length ?? 0)
  if (bytes > maxMetadataBytes) {
    return new CountersignError('exhausted', `metadata has at most ${maxMetadataBytes} bytes`, {
      reason: 'metadata-too-large',
    })
  }
  const encoding = headers['grpc-encoding']
  if (encoding === undefined || encoding === 'identity') return undefined
  return new CountersignError('unimplemented', 'compressed messages are not taken here', {
    reason: 'messages-compressed',
    fix: 'have the client send its messages as they are',
  })
}

function refuse(stream: ServerHttp2Stream, error: CountersignError): void {
  stream.on('error', () => {})
  const { code, details, metadata } = toStatus(error)
  const headers = {
    ':status': 200,
    'content-type': 'application/grpc',
    'grpc-accept-encoding': 'identity',
    'grpc-status': code,
    'grpc-message': encodeURI(details),
    ...metadata.toHttp2Headers(),
  }
  stream.respond(headers, { endStream: true })
}

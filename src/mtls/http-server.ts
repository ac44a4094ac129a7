import type { ServerOptions as HttpSettings, RequestListener } from 'node:http'
import {
  createSecureServer as createHttp2,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerOptions as Http2Settings,
} from 'node:http2'
import { createServer as createHttps, type Server } from 'node:https'
import { type MtlsServerOptions, mtlsServer } from './mutual-tls.ts'
import { isRetiring, shareStanding } from './peer.ts'

/** Whom to be and whom to let in, and what node:https takes. */
export interface HttpServerOptions extends Omit<MtlsServerOptions, 'alpn'> {
  /** How node:http is to serve. */
  readonly http?: HttpSettings
}

/**
 * An HTTPS server, as of node:https, for clients that `authorize` lets in: `peerOf(request)` is who
 * asks. No byte of any other client reaches the HTTP parser. A connection that is near its end is not
 * kept for another request.
 */
export function createServer(options: HttpServerOptions, onRequest?: RequestListener): Server {
  const server = mtlsServer(options, (tls) => createHttps({ ...options.http, ...tls }, onRequest))
  return server.prependListener('request', ({ socket }, response) => {
    if (isRetiring(socket)) response.shouldKeepAlive = false
  })
}

/** Whom to be and whom to let in, and what node:http2 takes. */
export interface Http2ServerOptions extends Omit<MtlsServerOptions, 'alpn'> {
  /** How node:http2 is to serve. */
  readonly http2?: Http2Settings
}

/** The same for HTTP/2 alone, as of node:http2. */
export function createHttp2Server(
  options: Http2ServerOptions,
  onRequest?: (request: Http2ServerRequest, response: Http2ServerResponse) => void,
): Http2SecureServer {
  const server = mtlsServer({ ...options, alpn: ['h2'] }, (tls) =>
    createHttp2({ ...options.http2, ...tls, allowHTTP1: false }, onRequest),
  )
  return server.prependListener('stream', (stream) => {
    const { session } = stream
    if (session === undefined) return
    // What a request calls its socket is this once the session has let go of it.
    shareStanding(session.socket, stream)
    if (isRetiring(session.socket)) session.close()
  })
}

import { createHash } from 'node:crypto'
import { createServer as createHttp, type RequestListener, type Server } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { inTurn } from '../../src/runtime/in-turn.ts'
import { keepNewest } from '../../src/runtime/keep-newest.ts'
import type { Log } from '../../src/runtime/log.ts'
import { serveWeb, type TlsSource, type WebEndpoint } from './serve-web.ts'

/** Node's own are minutes, and half a minute between two looks at who is late with a request. */
const httpLimits = {
  keepAliveTimeout: 5000,
  requestTimeout: 5000,
  connectionsCheckingInterval: 1000,
} as const
const handshakeTimeout = 5000
/** A connection on which nothing comes or goes for so long is shut. */
const idleMs = 10_000
const maxRequestsPerSocket = 100
const maxConnections = 1000
const bodyLimit = 1024

export interface DocumentEndpoint extends WebEndpoint {
  /** Names, lower case, by which it may be asked for; undefined: any. */
  readonly hosts?: readonly string[]
  /** By path; read at each request. */
  readonly documents: ReadonlyMap<string, () => string>
  readonly cacheControl: string
}

/**
 * Serves JSON documents to everybody until the signal aborts: GET only, nothing is asked of the client
 * and nothing changes. Throws `unavailable` `NAME-address`, and what the TLS options throw.
 */
export async function serveDocuments(
  endpoint: DocumentEndpoint,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const app = createApp(endpoint, log)
  const { server } = app
  const destroyAll = keepNewest(server, maxConnections)
  await serveWeb(endpoint, { app, server, destroyAll }, 'documents are served', log, signal)
}

function createApp(endpoint: DocumentEndpoint, log: Log): FastifyInstance {
  const { tls, hosts, documents, cacheControl } = endpoint
  const app = fastify({
    bodyLimit,
    logger: false,
    serverFactory: (handler) => createServer(tls, inTurn(handler)),
  }) as FastifyInstance
  // Whoever gets another name to lead here gets no answer under it.
  app.addHook('onRequest', async (request, reply) => {
    if (hosts?.includes(request.hostname.toLowerCase()) === false) {
      await reply.code(421).send({ error: 'this host is not served here' })
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      await reply.code(405).header('allow', 'GET, HEAD').send({ error: 'GET only' })
    }
  })
  for (const [path, document] of documents) {
    app.get(path, (request, reply) => answer(request, reply, cacheControl, document()))
  }
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'not found' }))
  app.setErrorHandler((error: Error & { readonly statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) log.error('a document could not be served', { error })
    return reply.code(status).send({ error: status >= 500 ? 'internal error' : 'bad request' })
  })
  return app
}

/** Fastify sets no limits where it is handed a server. */
function createServer(tls: TlsSource | undefined, take: RequestListener): Server {
  const server =
    tls === undefined
      ? createHttp(httpLimits, take)
      : createHttps({ ...tls.options(), ...httpLimits, handshakeTimeout }, take)
  server.timeout = idleMs
  server.maxRequestsPerSocket = maxRequestsPerSocket
  return server
}

function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  cacheControl: string,
  body: string,
): FastifyReply {
  const tag = `"${createHash('sha256').update(body).digest('base64url')}"`
  reply.header('cache-control', cacheControl).header('etag', tag)
  reply.header('x-content-type-options', 'nosniff')
  if (request.headers['if-none-match'] === tag) return reply.code(304).send()
  return reply.type('application/json').send(body)
}

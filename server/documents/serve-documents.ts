import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Log } from '../../src/runtime/log.ts'
import { serveWeb, type WebEndpoint } from './serve-web.ts'

const limits = {
  bodyLimit: 1024,
  connectionTimeout: 10_000,
  keepAliveTimeout: 5000,
  requestTimeout: 5000,
  maxRequestsPerSocket: 100,
} as const
/** Node's own are two minutes, and half a minute between two looks at who is late with a request. */
const httpLimits = { handshakeTimeout: 5000, connectionsCheckingInterval: 1000 } as const
const maxConnections = 1000

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
  server.maxConnections = maxConnections
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const destroyAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  await serveWeb(endpoint, { app, server, destroyAll }, 'documents are served', log, signal)
}

function createApp(endpoint: DocumentEndpoint, log: Log): FastifyInstance {
  const { tls, hosts, documents, cacheControl } = endpoint
  const options = { ...limits, logger: false } as const
  const app = (
    tls === undefined
      ? fastify({ ...options, http: httpLimits })
      : fastify({ ...options, https: { ...tls.options(), ...httpLimits } })
  ) as FastifyInstance
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

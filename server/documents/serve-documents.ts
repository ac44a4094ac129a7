import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { CountersignError } from '../../src/errors.ts'
import { formatHostPort, type HostPort } from '../../src/runtime/config-value.ts'
import type { Log } from '../../src/runtime/log.ts'
import { aborted } from '../../src/runtime/tasks.ts'

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

/** What to show in TLS. No client is asked for a certificate. */
export interface TlsSource {
  options(): SecureContextOptions
  /** Calls back when the options may be others; the result ends that. */
  onChange(listener: () => void): () => void
}

export interface DocumentEndpoint {
  /** The first word of its errors' reasons: `oidc`. */
  readonly name: string
  /** Where an operator sets it, for what there is to do: `oidc`. */
  readonly setting: string
  readonly address: HostPort
  /** Names, lower case, by which it may be asked for; undefined: any. */
  readonly hosts?: readonly string[]
  /** undefined: plain HTTP. */
  readonly tls: TlsSource | undefined
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
  // From the moment on in which its options were read: none of them is missed.
  const stopWatching = followTls(app, endpoint, log)
  try {
    await app.ready()
    await serve(app.server, endpoint, log, signal)
  } finally {
    stopWatching()
    await app.close()
  }
}

async function serve(
  server: FastifyInstance['server'],
  endpoint: DocumentEndpoint,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const { setting } = endpoint
  server.maxConnections = maxConnections
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const { host, port } = await listen(server, endpoint)
  // Such as EMFILE at accept: the listener lives on.
  server.on('error', (error) => log.warn('a connection cannot be taken', { setting, error }))
  log.info('documents are served', { endpoint: setting, address: formatHostPort({ host, port }) })
  await aborted(signal)
  const closed = new Promise((resolve) => server.close(resolve))
  // Those too that are in the midst of a handshake, which HTTP knows nothing of.
  for (const socket of sockets) socket.destroy()
  await closed
}

/** By itself: what Fastify opens for `localhost` beside it would have neither bounds nor the next certificate. */
async function listen(
  server: FastifyInstance['server'],
  { address, name, setting }: DocumentEndpoint,
): Promise<HostPort> {
  try {
    server.listen({ host: address.host, port: address.port })
    await once(server, 'listening')
  } catch (cause) {
    throw new CountersignError('unavailable', `cannot listen on ${formatHostPort(address)}`, {
      reason: `${name}-address`,
      fix: `set ${setting}.address to a free address of this machine`,
      cause,
    })
  }
  return { host: address.host, port: (server.address() as AddressInfo).port }
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

function followTls(app: FastifyInstance, { tls, setting }: DocumentEndpoint, log: Log): () => void {
  if (tls === undefined) return () => {}
  const server = app.server as unknown as HttpsServer
  return tls.onChange(() => {
    try {
      server.setSecureContext(tls.options())
    } catch (error) {
      log.warn('a certificate is kept, since the new one cannot be used', { setting, error })
    }
  })
}

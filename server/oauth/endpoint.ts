import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify'
import { CountersignError } from '../../src/errors.ts'
import { guardedOptions, guardServer } from '../../src/mtls/guard.ts'
import { formatHostPort } from '../../src/runtime/config-value.ts'
import type { Log } from '../../src/runtime/log.ts'
import { aborted, runTogether } from '../../src/runtime/tasks.ts'
import { type RateLimit, RateLimiter } from '../access/limits.ts'
import { maxAgeSeconds } from '../documents/key-set.ts'
import { tlsFromFiles } from '../documents/web-files.ts'
import type { EntryIndex } from '../entry/index.ts'
import { openPolicies, type PoliciesDeps } from '../policy/policies.ts'
import type { OauthAnswer } from './answer.ts'
import {
  type AuthorizationServer,
  createAuthorizationServer,
  type OauthDeps,
} from './authorization-server.ts'
import { paths } from './documents.ts'
import { maxBodyBytes } from './form.ts'
import { createRefusalRecord } from './refusals.ts'
import type { OauthSettings } from './settings.ts'
import { maxEntries } from './token.ts'

/** Fastify sets none of its own where it is handed a server. Node's own look at who is late is each half a minute. */
const httpLimits = {
  keepAliveTimeout: 60_000,
  requestTimeout: 5000,
  connectionsCheckingInterval: 1000,
} as const
const handshakeTimeoutMs = 5000
const protocol = { minVersion: 'TLSv1.2', alpn: [] } as const

export interface OauthEndpointDeps extends Pick<OauthDeps, 'ca' | 'bundles' | 'clock' | 'log'> {
  readonly index: Pick<EntryIndex, 'list'>
  readonly trail: { append: PoliciesDeps['append'] }
  readonly authorityTtlSeconds: number
  readonly config: {
    readonly maxConnections: number
    readonly maxConnectionsPerAddress: number
    readonly rateLimits: { readonly call: RateLimit }
  }
}

/**
 * Serves tokens, metadata and keys until the signal aborts. Throws `unavailable` `oauth-address`, `invalid`
 * `oauth-certificate`, `forbidden` `oauth-key-mode`, and as `openPolicies`.
 */
export async function serveOauth(
  settings: OauthSettings,
  deps: OauthEndpointDeps,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, index, trail } = deps
  const append: PoliciesDeps['append'] = (events) => trail.append(events)
  const policies = await openPolicies({ folder: settings.policy, append, clock, log })
  const server = createAuthorizationServer({
    ...deps,
    settings,
    policies,
    refusals: createRefusalRecord({ append, clock }),
    calls: new RateLimiter(deps.config.rateLimits.call, clock),
    entriesOf(spiffeId) {
      const now = clock.now()
      const found = index.list({ spiffeId }, undefined, maxEntries + 1)
      // Of more than these some were not seen: they are too many, whether or not some have expired.
      if (found.length > maxEntries) return found
      return found.filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now)
    },
  })
  await runTogether(
    signal,
    (until) => policies.run(until),
    (until) => serve(server, settings, deps, until),
  )
}

async function serve(
  server: AuthorizationServer,
  settings: OauthSettings,
  deps: OauthEndpointDeps,
  signal: AbortSignal,
): Promise<void> {
  const { log } = deps
  const { host, port } = settings.address
  const { app, close } = createApp(server, settings, deps)
  try {
    await app.ready()
    // By itself: what Fastify opens for `localhost` beside it would have no guard.
    app.server.listen({ host, port })
    await once(app.server, 'listening')
  } catch (cause) {
    await close()
    throw new CountersignError(
      'unavailable',
      `cannot listen on ${formatHostPort(settings.address)}`,
      {
        reason: 'oauth-address',
        fix: 'set oauth.address to a free address of this machine',
        cause,
      },
    )
  }
  const { port: listening } = app.server.address() as AddressInfo
  log.info('access tokens are issued', { address: formatHostPort({ host, port: listening }) })
  // Such as EMFILE at accept: the listener lives on.
  app.server.on('error', (error) => log.warn('a connection cannot be taken', { error }))
  await aborted(signal)
  await close()
}

/** TLS proves no more than that the client has the key of what it presents; who that is, is asked at each request. */
function createApp(
  server: AuthorizationServer,
  settings: OauthSettings,
  deps: OauthEndpointDeps,
): { readonly app: FastifyInstance; close(): Promise<void> } {
  const { config, clock, log } = deps
  const tls = tlsFromFiles(settings.tls, 'oauth', 'oauth')
  const chains = new WeakMap<Socket, readonly Buffer[]>()
  const guarding = { identity: () => undefined, protocol, handshakeTimeoutMs, clock, log }
  const https = createServer({ ...guardedOptions(guarding), ...httpLimits, ...tls.options() })
  const guard = guardServer<readonly Buffer[], never>(https, {
    ...guarding,
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
    verifyClient: (chain) => chain,
    onConnection: (socket, chain) => void chains.set(socket, chain),
  })
  const app = fastify({
    bodyLimit: maxBodyBytes,
    logger: false,
    serverFactory: (handler) => https.on('request', handler),
  }) as unknown as FastifyInstance
  addRoutes(app, server, chains, maxAgeSeconds(deps.authorityTtlSeconds), log)
  const stopWatching = tls.onChange(() => {
    try {
      https.setSecureContext(tls.options())
    } catch (error) {
      log.warn('a certificate is kept, since the new one cannot be used', {
        setting: 'oauth',
        error,
      })
    }
  })
  return {
    app,
    async close() {
      stopWatching()
      // Fastify closes what it has opened itself, and no other.
      const closed = new Promise((resolve) => https.close(resolve))
      guard.destroyAll()
      await closed
      await app.close()
    },
  }
}

function addRoutes(
  app: FastifyInstance,
  server: AuthorizationServer,
  chains: WeakMap<Socket, readonly Buffer[]>,
  maxAge: number,
  log: Log,
): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, body),
  )
  app.post(paths.token, async (request, reply) => {
    const { body, headers, raw } = request
    const chain = chains.get(raw.socket)
    if (typeof body !== 'string' || chain === undefined) throw malformed('request-malformed')
    const { authorization } = headers
    const address = addressOf(raw.socket)
    return send(reply, await server.token({ body, authorization, chain, address }))
  })
  const documents: Record<string, () => string> = {
    [paths.metadata]: () => server.metadata(),
    [paths.keys]: () => server.keys(),
  }
  for (const [path, document] of Object.entries(documents)) {
    app.get(path, (_request, reply) =>
      reply
        .header('cache-control', `public, max-age=${maxAge}, must-revalidate`)
        .header('x-content-type-options', 'nosniff')
        .type('application/json')
        .send(document()),
    )
  }
  app.setNotFoundHandler(async (request, reply) => {
    if (request.url.split('?')[0] !== paths.token)
      return reply.code(404).send({ error: 'not found' })
    const address = addressOf(request.raw.socket)
    return send(reply, await server.refuse({ address }, malformed('request-method')))
  })
  app.setErrorHandler(async (error: Error & { readonly statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500 && !(error instanceof CountersignError)) {
      log.error('a request for a token could not be served', { error })
      return reply.code(500).send({ error: 'server_error' })
    }
    const refusal = error instanceof CountersignError ? error : malformed(reasons[status])
    const address = addressOf(request.raw.socket)
    return send(reply, await server.refuse({ address }, refusal))
  })
}

const reasons: Readonly<Record<number, string>> = {
  413: 'request-too-large',
  415: 'request-content-type',
}

function malformed(reason = 'request-malformed'): CountersignError {
  return new CountersignError(
    'invalid',
    'a POST of application/x-www-form-urlencoded of at most 32 KiB is expected',
    { reason },
  )
}

function addressOf(socket: Socket): string {
  return formatHostPort({ host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 })
}

function send(reply: FastifyReply, { status, headers, body }: OauthAnswer): FastifyReply {
  return reply.code(status).headers(headers).send(body)
}

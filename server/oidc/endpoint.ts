import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import { every } from '../../src/runtime/clock.ts'
import { formatHostPort } from '../../src/runtime/config-value.ts'
import type { Log } from '../../src/runtime/log.ts'
import { aborted } from '../../src/runtime/tasks.ts'
import { configurationDocument, keysDocument, maxAgeSeconds, pathsOf } from './documents.ts'
import type { OidcSettings } from './settings.ts'

const limits = {
  bodyLimit: 1024,
  connectionTimeout: 10_000,
  keepAliveTimeout: 5000,
  requestTimeout: 5000,
  maxRequestsPerSocket: 100,
} as const
const maxConnections = 1000
const reloadMs = 60_000

export interface OidcDeps {
  readonly ownBundle: () => Bundle
  readonly authorityTtlSeconds: number
  readonly log: Log
}

/**
 * Serves discovery document and keys of the issuer until the signal aborts: GET only, the same to
 * everybody, to requests for one of its hosts. Throws `unavailable` `oidc-address`; `invalid`
 * `oidc-certificate` and `forbidden` `oidc-key-mode` for the files.
 */
export async function serveOidc(
  settings: OidcSettings,
  deps: OidcDeps,
  signal: AbortSignal,
): Promise<void> {
  const app = createApp(settings, deps)
  app.server.maxConnections = maxConnections
  const { host, port } = settings.address
  try {
    await app.listen({ host, port })
  } catch (cause) {
    const address = formatHostPort(settings.address)
    throw new CountersignError('unavailable', `cannot listen on ${address}`, {
      reason: 'oidc-address',
      fix: 'set oidc.address to a free address of this machine',
      cause,
    })
  }
  const { port: listening } = app.server.address() as AddressInfo
  deps.log.info('oidc discovery listens', { address: formatHostPort({ host, port: listening }) })
  const stopReloading = reload(app, settings, deps.log)
  await aborted(signal)
  stopReloading()
  await app.close()
}

function createApp(settings: OidcSettings, deps: OidcDeps): FastifyInstance {
  const options = { ...limits, forceCloseConnections: true, logger: false } as const
  const app = (
    settings.tls === undefined
      ? fastify(options)
      : fastify({ ...options, https: { ...readFiles(settings.tls), minVersion: 'TLSv1.2' } })
  ) as FastifyInstance
  const hosts: ReadonlySet<string> = new Set(settings.hosts)
  // Whoever gets another name to lead here gets no answer under it.
  app.addHook('onRequest', async (request, reply) => {
    if (!hosts.has(request.hostname.toLowerCase())) {
      await reply.code(421).send({ error: 'this host is not served here' })
    }
  })
  const cacheControl = `public, max-age=${maxAgeSeconds(deps.authorityTtlSeconds)}, must-revalidate`
  const serve = (path: string, document: () => string): void => {
    app.get(path, (request, reply) => answer(request, reply, cacheControl, document()))
  }
  const { configuration, keys } = pathsOf(settings.issuer)
  serve(configuration, () => configurationDocument(settings.issuer))
  serve(keys, () => keysDocument(deps.ownBundle()))
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'not found' }))
  app.setErrorHandler((error: Error & { readonly statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) deps.log.error('an oidc request failed', { error })
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

function readFiles(files: { readonly certificate: string; readonly key: string }): {
  readonly cert: Buffer
  readonly key: Buffer
} {
  try {
    if ((statSync(files.key).mode & 0o077) !== 0) {
      throw new CountersignError('forbidden', `others can read ${files.key}`, {
        reason: 'oidc-key-mode',
        fix: `chmod 600 ${files.key}`,
      })
    }
    return { cert: readFileSync(files.certificate), key: readFileSync(files.key) }
  } catch (error) {
    if (error instanceof CountersignError) throw error
    throw new CountersignError('invalid', 'the certificate of oidc cannot be read', {
      reason: 'oidc-certificate',
      fix: 'let oidc.certificate and oidc.key name PEM files that this process may read',
      cause: error,
    })
  }
}

/** Certificates of web servers are renewed in place: new connections see the new one within a minute. */
function reload(app: FastifyInstance, { tls }: OidcSettings, log: Log): () => void {
  if (tls === undefined) return () => {}
  const server = app.server as unknown as HttpsServer
  return every(reloadMs, () => {
    try {
      server.setSecureContext({ ...readFiles(tls), minVersion: 'TLSv1.2' })
    } catch (error) {
      log.warn('the certificate of oidc is kept, since the new one cannot be used', { error })
    }
  })
}

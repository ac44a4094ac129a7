import { once } from 'node:events'
import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import { cannotListen } from '../../src/runtime/cannot-listen.ts'
import { formatHostPort, type HostPort } from '../../src/runtime/config-value.ts'
import type { Log } from '../../src/runtime/log.ts'
import { aborted } from '../../src/runtime/tasks.ts'

/** What to show in TLS. */
export interface TlsSource {
  options(): SecureContextOptions
  /** Calls back when the options may be others; the result ends that. */
  onChange(listener: () => void): () => void
}

export interface WebEndpoint {
  /** The first word of its errors' reasons: `oidc`. */
  readonly name: string
  /** Where an operator sets it, for what there is to do: `oidc`. */
  readonly setting: string
  readonly address: HostPort
  /** undefined: plain HTTP. */
  readonly tls: TlsSource | undefined
  /** Called once it can be called. */
  readonly opened: () => void
}

export interface WebServer {
  readonly app: FastifyInstance
  /** What listens; made by whoever made the app, with what `tls` has said. */
  readonly server: FastifyInstance['server']
  /** Ends every connection, those too that are in the midst of a handshake, which HTTP knows nothing of. */
  destroyAll(): void
}

/**
 * Serves a Fastify app until the signal aborts, with the certificate of the moment. `said` is what the log
 * says once it can be called. Throws `unavailable` `NAME-address`.
 */
export async function serveWeb(
  endpoint: WebEndpoint,
  { app, server, destroyAll }: WebServer,
  said: string,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const { setting } = endpoint
  // From the moment on in which its options were read: none of them is missed.
  const stopWatching = followTls(server, endpoint, log)
  try {
    await app.ready()
    const { host, port } = await listen(server, endpoint)
    // Such as EMFILE at accept: the listener lives on.
    server.on('error', (error) => log.warn('a connection cannot be taken', { setting, error }))
    log.info(said, { endpoint: setting, address: formatHostPort({ host, port }) })
    endpoint.opened()
    await aborted(signal)
    const closed = new Promise((resolve) => server.close(resolve))
    destroyAll()
    await closed
  } finally {
    stopWatching()
    await app.close()
  }
}

/** By itself: what Fastify opens for `localhost` beside it would have neither bounds nor the next certificate. */
async function listen(
  server: FastifyInstance['server'],
  { address, name, setting }: WebEndpoint,
): Promise<HostPort> {
  try {
    server.listen({ host: address.host, port: address.port })
    await once(server, 'listening')
  } catch (error) {
    throw cannotListen(
      `${setting}.address ${formatHostPort(address)}`,
      error as NodeJS.ErrnoException,
      `${name}-address`,
    )
  }
  return { host: address.host, port: (server.address() as AddressInfo).port }
}

function followTls(
  server: FastifyInstance['server'],
  { tls, setting }: WebEndpoint,
  log: Log,
): () => void {
  if (tls === undefined) return () => {}
  const https = server as unknown as HttpsServer
  return tls.onChange(() => {
    try {
      https.setSecureContext(tls.options())
    } catch (error) {
      log.warn('a certificate is kept, since the new one cannot be used', { setting, error })
    }
  })
}

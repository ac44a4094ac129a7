import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { Server as NetServer } from 'node:net'
import { createServer as createMtlsServer } from '../mtls/http-server.ts'
import type { IdentitySource } from '../mtls/identity-source.ts'
import { listenUnix } from '../rpc/unix-listener.ts'
import { cannotListen } from '../runtime/cannot-listen.ts'
import type { Clock } from '../runtime/clock.ts'
import { formatHostPort, type HostPort } from '../runtime/config-value.ts'
import { inTurn } from '../runtime/in-turn.ts'
import type { Log } from '../runtime/log.ts'
import { aborted } from '../runtime/tasks.ts'
import { matchOneOf } from '../spiffe-id/matchers.ts'
import type { Door } from './settings.ts'

const maxConnections = 1024
/** A chain of certificates, percent-encoded, is among the headers. */
const http = {
  maxHeaderSize: 48 << 10,
  requestTimeout: 5000,
  headersTimeout: 5000,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 1000,
} as const

export interface ServeDeps {
  /** Undefined where no door is an address. */
  readonly source: IdentitySource | undefined
  readonly clock: Clock
  readonly log: Log
  readonly onReady?: ((at: HostPort | string) => void) | undefined
}

/**
 * Serves the proxies of this door alone until the signal aborts. Throws as `listenUnix`, and `unavailable`
 * `forward-auth-address`.
 */
export async function serveDoor(
  door: Door,
  answer: RequestListener,
  deps: ServeDeps,
  signal: AbortSignal,
): Promise<void> {
  if ('socket' in door) await serveSocket(door, answer, deps, signal)
  else await serveAddress(door, answer, deps, signal)
}

async function serveSocket(
  { socket: path, uids, proxy }: Extract<Door, { socket: string }>,
  answer: RequestListener,
  { log, onReady }: ServeDeps,
  signal: AbortSignal,
): Promise<void> {
  const server = createServer(http, inTurn(answer))
  // It does not listen itself, and looks for late requests from here on.
  server.emit('listening')
  let open = 0
  const listener = await listenUnix({
    path,
    // The kernel says who is there: the file's mode says no more than that everybody may try.
    mode: 0o666,
    folderMode: 0o755,
    admit({ uid }) {
      if (uids.has(uid) && open < maxConnections) return true
      log.debug('somebody else than a proxy was turned away', { socket: path, uid })
      return false
    },
    onConnection(socket) {
      open += 1
      socket.once('close', () => {
        open -= 1
      })
      server.emit('connection', socket)
    },
  })
  log.info('proxies may ask', { socket: listener.path, proxy })
  onReady?.(listener.path)
  await aborted(signal)
  server.close()
  await listener.close()
}

async function serveAddress(
  { address, ids, proxy }: Extract<Door, { address: HostPort }>,
  answer: RequestListener,
  { source, clock, log, onReady }: ServeDeps,
  signal: AbortSignal,
): Promise<void> {
  if (source === undefined) throw new TypeError('a port without an identity')
  const authorize = matchOneOf(...ids)
  const server = createMtlsServer(
    { source, authorize, clock, log, http, maxConnections },
    inTurn(answer),
  )
  await listen(server, address)
  // Such as EMFILE at accept: the door stays.
  server.on('error', (error) => log.warn('a connection cannot be taken', { error }))
  const port = (server.address() as { readonly port: number }).port
  const at = { host: address.host, port }
  log.info('proxies may ask', { address: formatHostPort(at), proxy })
  onReady?.(at)
  await aborted(signal)
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}

async function listen(server: NetServer & Pick<Server, 'listen'>, at: HostPort): Promise<void> {
  try {
    server.listen({ host: at.host, port: at.port })
    await once(server, 'listening')
  } catch (error) {
    throw cannotListen(
      `address ${formatHostPort(at)}`,
      error as NodeJS.ErrnoException,
      'forward-auth-address',
    )
  }
}

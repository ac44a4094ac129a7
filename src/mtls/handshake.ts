import { type AddressInfo, isIPv6, type Server, type Socket } from 'node:net'
import { createServer, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { CountersignError } from '../errors.ts'
import { cannotListen } from '../runtime/cannot-listen.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { ownProtocol, secureContextOf, type TlsIdentity, type TlsProtocol } from './context.ts'
import { type GuardOptions, guardedOptions, guardServer } from './guard.ts'
import { offered, presentedBy } from './presented.ts'

export interface ListenTlsOptions<P, I extends TlsIdentity = TlsIdentity>
  extends GuardOptions<P, I> {
  readonly host?: string
  readonly port: number
}

/** An open port. */
export interface TlsListener {
  readonly address: AddressInfo
  /** New connections see the new identity; open ones live on. */
  refreshIdentity(): void
  /** Stops listening and destroys every connection. */
  close(): Promise<void>
}

/** Listens for TLS connections and hands on those whose client has been verified. */
export async function listenTls<P, I extends TlsIdentity = TlsIdentity>(
  options: ListenTlsOptions<P, I>,
): Promise<TlsListener> {
  const server = createServer(guardedOptions(options))
  const guard = guardServer(server, options)
  await listening(server, options)
  return {
    address: server.address() as AddressInfo,
    refreshIdentity: () => guard.refreshIdentity(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        guard.destroyAll()
      }),
  }
}

function listening(
  server: Server,
  options: { readonly host?: string; readonly port: number },
): Promise<void> {
  const { host, port } = options
  const where = host === undefined ? 'port ' : `${isIPv6(host) ? `[${host}]` : host}:`
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(cannotListen(`${where}${port}`, error)),
    )
    server.listen({ host: options.host, port: options.port, backlog: 1024 }, () => {
      server.removeAllListeners('error')
      // Such as EMFILE at accept: the listener lives on.
      server.on('error', () => {})
      resolve()
    })
  })
}

export interface ConnectTlsOptions {
  /** Connected; owned by the TLS socket from here. */
  readonly socket: Socket
  /** Shown to the server where there is one. */
  readonly identity: TlsIdentity | undefined
  /** What our own parts speak, unless told. */
  readonly protocol?: TlsProtocol
  /** The name to ask for (SNI), where the server has several; it proves nothing. */
  readonly serverName?: string
  /** Throws to refuse the server by the chain that it presented, DER, in its order. */
  readonly verifyServer: (chain: readonly Buffer[]) => unknown
  readonly handshakeTimeoutMs: number
  readonly clock?: Clock
}

/**
 * Makes a TLS connection of a plain one. Resolves once the server has been verified, before any
 * of its data has been read. Rejects with what `verifyServer` threw, or `unavailable`: `tls-handshake`,
 * `tls-handshake-timeout`.
 */
export function connectTls(options: ConnectTlsOptions): Promise<TLSSocket> {
  const clock = options.clock ?? systemClock
  const protocol = options.protocol ?? ownProtocol
  const over = new AbortController()
  return new Promise<TLSSocket>((resolve, reject) => {
    const socket = tlsConnect({
      socket: options.socket,
      secureContext: secureContextOf(options.identity, protocol),
      ...offered(protocol),
      ...(options.serverName !== undefined && { servername: options.serverName }),
      // Replaced by `verifyServer`.
      rejectUnauthorized: false,
    })
    const fail = (error: unknown): void => {
      reject(error)
      socket.destroy()
    }
    socket.on('error', (cause) => fail(handshakeFailed(cause)))
    socket.once('close', () => fail(handshakeFailed(undefined)))
    socket.once('secureConnect', () => {
      try {
        options.verifyServer(presentedBy(socket, protocol))
        resolve(socket)
      } catch (error) {
        fail(error)
      }
    })
    clock.sleep(options.handshakeTimeoutMs, over.signal).then(
      () =>
        fail(
          new CountersignError('unavailable', 'the TLS handshake took too long', {
            reason: 'tls-handshake-timeout',
          }),
        ),
      () => {},
    )
  }).finally(() => over.abort())
}

function handshakeFailed(cause: unknown): CountersignError {
  return new CountersignError('unavailable', 'the TLS handshake failed', {
    reason: 'tls-handshake',
    cause,
  })
}

import type { Socket } from 'node:net'
import type { TLSSocket, TlsOptions, Server as TlsServer } from 'node:tls'
import { asCountersignError } from '../errors.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { type Log, silentLog } from '../runtime/log.ts'
import { Admission, addressShare } from './admission.ts'
import { contextOptions, ownProtocol, type TlsIdentity, type TlsProtocol } from './context.ts'
import { offered, presentedBy } from './presented.ts'

/**
 * Of all unfinished handshakes: OpenSSL takes up to fifty times as much for a certificate as that has bytes, before
 * anybody can look at it. 512 of our own clients send half of this.
 */
const maxHandshakeBytes = 2 << 20
const lookEveryMs = 100
const defaults = { maxConnections: 20_000, maxConnectionsPerAddress: 2_000, maxHandshakes: 512 }

export interface GuardOptions<P, I extends TlsIdentity = TlsIdentity> {
  /** Asked at the start and at each `refreshIdentity`; while there is none, no handshake succeeds. */
  readonly identity: () => I | undefined
  /** What our own parts speak, unless told. */
  readonly protocol?: TlsProtocol
  /**
   * Whom the presented chain (DER, in the client's order; `[]` when it showed none) makes of the
   * client at `remote`, `host:port`. Throws to refuse.
   */
  readonly verifyClient: (chain: readonly Buffer[], remote: string) => P | Promise<P>
  /** Nothing of the client's data has been read yet; the socket has an `error` listener. */
  readonly onConnection: (socket: TLSSocket, peer: P, shown: I | undefined) => void
  /** From accept to the end of `verifyClient`. */
  readonly handshakeTimeoutMs: number
  readonly maxConnections?: number
  readonly maxConnectionsPerAddress?: number
  /** Unfinished handshakes at a time: over it, the oldest gives way to the newest. */
  readonly maxHandshakes?: number
  readonly clock?: Clock
  readonly log?: Log
}

/** What a guarded server is made with, beside whatever its protocol needs. */
export function guardedOptions<P>(
  options: Pick<GuardOptions<P>, 'identity' | 'protocol' | 'handshakeTimeoutMs'>,
): TlsOptions {
  const protocol = options.protocol ?? ownProtocol
  return {
    ...contextOptions(options.identity(), protocol),
    ...offered(protocol),
    requestCert: true,
    // Replaced by `verifyClient`.
    rejectUnauthorized: false,
    handshakeTimeout: options.handshakeTimeoutMs,
    noDelay: true,
  }
}

export interface Guard {
  /** New connections see the new identity; open ones live on. One that TLS cannot show is logged and left out. */
  refreshIdentity(): void
  /** Destroys every connection, and each handshake under way. */
  destroyAll(): void
}

interface Guest<I> {
  readonly raw: Socket
  readonly address: string
  readonly remote: string
  /** What the handshake shows: the server's identity at the time of the accept. */
  readonly shown: I | undefined
  readonly bytes: number
  destroy(): void
}

/**
 * Stands in front of a TLS server (of node:tls, node:https or node:http2, made with `guardedOptions`):
 * `secureConnection`, by which a protocol gets its sockets, is emitted for those alone whose client has
 * been verified.
 */
export function guardServer<P, I extends TlsIdentity>(
  server: TlsServer,
  options: GuardOptions<P, I>,
): Guard {
  const clock = options.clock ?? systemClock
  const log = options.log ?? silentLog
  const protocol = options.protocol ?? ownProtocol
  const admission = new Admission({
    maxConnections: options.maxConnections ?? defaults.maxConnections,
    maxConnectionsPerAddress: options.maxConnectionsPerAddress ?? defaults.maxConnectionsPerAddress,
    maxHandshakes: options.maxHandshakes ?? defaults.maxHandshakes,
  })
  // By the addresses, all that a TLS socket and the socket below it both tell.
  const guests = new Map<string, Guest<I>>()
  let identity = options.identity()

  let looking: AbortController | undefined
  /** For as long as there are unfinished handshakes. */
  const lookAtHandshakes = async (): Promise<void> => {
    const until = new AbortController()
    looking = until
    try {
      for (;;) {
        await clock.sleep(lookEveryMs, until.signal)
        admission.bound(maxHandshakeBytes)
      }
    } catch {
      // There are none any more.
    }
  }
  const lookNoMore = (): void => {
    if (admission.handshakes > 0) return
    looking?.abort()
    looking = undefined
  }

  /** Whether the connection may begin its handshake. */
  const enter = (raw: Socket): boolean => {
    raw.on('error', () => {})
    const remote = remoteOf(raw)
    const ends = endsOf(raw)
    const guest: Guest<I> = {
      raw,
      remote,
      address: addressShare(raw.remoteAddress ?? ''),
      shown: identity,
      get bytes() {
        return raw.bytesRead
      },
      destroy: () => raw.destroy(),
    }
    if (raw.remoteAddress === undefined || !admission.enter(guest)) {
      raw.destroy()
      return false
    }
    guests.set(ends, guest)
    if (looking === undefined) void lookAtHandshakes()
    const gone = new AbortController()
    raw.once('close', () => {
      gone.abort()
      admission.leave(guest)
      lookNoMore()
      if (guests.get(ends) === guest) guests.delete(ends)
    })
    clock.sleep(options.handshakeTimeoutMs, gone.signal).then(
      () => {
        if (admission.verified(guest)) raw.destroy()
      },
      () => {},
    )
    return true
  }

  const refuse = (socket: TLSSocket, remote: string, error: unknown): void => {
    socket.destroy()
    const { code, reason, message } = asCountersignError(error)
    if (code === 'internal') log.error('checking a TLS client failed', { remote, error })
    else log.info('a TLS client was refused', { remote, reason, message })
  }
  const check = async (socket: TLSSocket): Promise<void> => {
    socket.on('error', () => {})
    const remote = remoteOf(socket)
    const guest = guests.get(endsOf(socket))
    try {
      const peer = await options.verifyClient(presentedBy(socket, protocol), remote)
      if (socket.destroyed || guest === undefined || !admission.verified(guest)) {
        socket.destroy()
        return
      }
      lookNoMore()
      options.onConnection(socket, peer, guest.shown)
    } catch (error) {
      refuse(socket, remote, error)
      return
    }
    emit('secureConnection', socket)
  }

  const emit: (event: string, ...args: unknown[]) => boolean = server.emit.bind(server)
  server.emit = (event: string, ...args: unknown[]): boolean => {
    const [socket] = args
    if (event === 'connection') return enter(socket as Socket) && emit(event, socket)
    if (event !== 'secureConnection') return emit(event, ...args)
    void check(socket as TLSSocket)
    return true
  }
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    socket.destroy()
    log.debug('a TLS handshake failed', { reason: error.code })
  })

  return {
    refreshIdentity() {
      try {
        const next = options.identity()
        server.setSecureContext(contextOptions(next, protocol))
        identity = next
      } catch (error) {
        log.error('the new identity cannot be shown, the one before stays', { error })
      }
    },
    destroyAll: () => admission.destroyAll(),
  }
}

/** Of two connections from one address and port, to two addresses of this machine, they differ. */
function endsOf(socket: Socket): string {
  return `${socket.localAddress} ${remoteOf(socket)}`
}

function remoteOf(socket: Socket): string {
  const { remoteAddress = '', remotePort = 0 } = socket
  return `${remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`
}

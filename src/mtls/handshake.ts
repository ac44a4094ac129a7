import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import {
  createSecureContext,
  createServer as createTlsServer,
  type TLSSocket,
  connect as tlsConnect,
} from 'node:tls'
import { asCountersignError, CountersignError } from '../errors.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { type Log, silentLog } from '../runtime/log.ts'
import { Admission, addressShare } from './admission.ts'
import { contextOptions, ownProtocol, type TlsIdentity, type TlsProtocol } from './context.ts'

/*
 * TLS alone would check a peer against one pool of CAs, and would let a resumed session skip the
 * check. So TLS here proves no more than that the peer holds the key of the certificate that it
 * shows; who that makes it is decided below, on the presented bytes, before any of the peer's data
 * reaches a protocol parser.
 */

const maxChainLength = 10
const defaults = { maxConnections: 20_000, maxConnectionsPerAddress: 2_000, maxHandshakes: 512 }

/**
 * What the peer presented, DER, in its order; `[]` where it presented nothing. Node hands the chain
 * out once only, so this is called once a connection.
 */
function presentedChain(socket: TLSSocket): readonly Buffer[] {
  const chain: Buffer[] = []
  let certificate = socket.getPeerX509Certificate()
  while (certificate !== undefined) {
    if (chain.length === maxChainLength) {
      throw new CountersignError(
        'unauthenticated',
        `the peer presented more than ${maxChainLength} certificates`,
        { reason: 'peer-chain-too-long' },
      )
    }
    chain.push(certificate.raw)
    certificate = certificate.issuerCertificate
  }
  return chain
}

/** An empty list would be offered, and be refused. */
function offered({ alpn }: TlsProtocol): { ALPNProtocols?: string[] } {
  return alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }
}

/** What TLS itself has to have come to. */
function checkSession(socket: TLSSocket, { alpn }: TlsProtocol): void {
  if (alpn.length > 0 && !alpn.includes(socket.alpnProtocol || '')) {
    throw new CountersignError('unauthenticated', `the peer does not speak ${alpn.join(' or ')}`, {
      reason: 'peer-alpn',
    })
  }
  if (socket.isSessionReused()) {
    throw new CountersignError('unauthenticated', 'a resumed TLS session is not accepted', {
      reason: 'peer-resumed-session',
    })
  }
}

export interface ListenTlsOptions<P> {
  readonly host?: string
  readonly port: number
  /** Asked at the start and at each `refreshIdentity`; while there is none, no handshake succeeds. */
  readonly identity: () => TlsIdentity | undefined
  /** What our own parts speak, unless told. */
  readonly protocol?: TlsProtocol
  /**
   * Whom the presented chain (DER, in the client's order; `[]` when it showed none) makes of the
   * client at `remote`, `host:port`. Throws to refuse.
   */
  readonly verifyClient: (chain: readonly Buffer[], remote: string) => P | Promise<P>
  /** Nothing of the client's data has been read yet; the socket has an `error` listener. */
  readonly onConnection: (socket: TLSSocket, peer: P) => void
  /** From accept to the end of `verifyClient`. */
  readonly handshakeTimeoutMs: number
  readonly maxConnections?: number
  readonly maxConnectionsPerAddress?: number
  /** Unfinished handshakes at a time: over it, the oldest gives way to the newest. */
  readonly maxHandshakes?: number
  readonly clock?: Clock
  readonly log?: Log
}

export interface TlsListener {
  readonly address: AddressInfo
  /** New connections see the new identity; open ones live on. */
  refreshIdentity(): void
  /** Stops listening and destroys every connection. */
  close(): Promise<void>
}

interface Guest {
  readonly raw: Socket
  readonly address: string
  readonly remote: string
  destroy(): void
}

/** Listens for TLS connections and hands on those whose client has been verified. */
export async function listenTls<P>(options: ListenTlsOptions<P>): Promise<TlsListener> {
  const clock = options.clock ?? systemClock
  const log = options.log ?? silentLog
  const protocol = options.protocol ?? ownProtocol
  const admission = new Admission({
    maxConnections: options.maxConnections ?? defaults.maxConnections,
    maxConnectionsPerAddress: options.maxConnectionsPerAddress ?? defaults.maxConnectionsPerAddress,
    maxHandshakes: options.maxHandshakes ?? defaults.maxHandshakes,
  })
  // By the remote address and port, all that a TLS socket and the socket below it both tell.
  const guests = new Map<string, Guest>()

  const tls = createTlsServer({
    ...contextOptions(options.identity(), protocol),
    ...offered(protocol),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: options.handshakeTimeoutMs,
  })
  const listener = createServer({ noDelay: true }, (raw) => {
    raw.on('error', () => {})
    const remote = remoteOf(raw)
    const guest: Guest = {
      raw,
      remote,
      address: addressShare(raw.remoteAddress ?? ''),
      destroy: () => raw.destroy(),
    }
    if (raw.remoteAddress === undefined || !admission.enter(guest)) {
      raw.destroy()
      return
    }
    guests.set(remote, guest)
    const gone = new AbortController()
    raw.once('close', () => {
      gone.abort()
      admission.leave(guest)
      if (guests.get(remote) === guest) guests.delete(remote)
    })
    clock.sleep(options.handshakeTimeoutMs, gone.signal).then(
      () => {
        if (admission.verified(guest)) raw.destroy()
      },
      () => {},
    )
    tls.emit('connection', raw)
  })

  const refuse = (socket: TLSSocket, remote: string, error: unknown): void => {
    socket.destroy()
    const { code, reason, message } = asCountersignError(error)
    if (code === 'internal') log.error('checking a TLS client failed', { remote, error })
    else log.info('a TLS client was refused', { remote, reason, message })
  }
  const handOn = (socket: TLSSocket, guest: Guest, peer: P): void => {
    if (socket.destroyed || !admission.verified(guest)) socket.destroy()
    else options.onConnection(socket, peer)
  }
  const check = async (socket: TLSSocket, guest: Guest): Promise<void> => {
    try {
      checkSession(socket, protocol)
      handOn(socket, guest, await options.verifyClient(presentedChain(socket), guest.remote))
    } catch (error) {
      refuse(socket, guest.remote, error)
    }
  }
  tls.on('secureConnection', (socket) => {
    socket.on('error', () => {})
    const guest = guests.get(remoteOf(socket))
    if (guest === undefined) socket.destroy()
    else void check(socket, guest)
  })
  tls.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    socket.destroy()
    log.debug('a TLS handshake failed', { reason: error.code })
  })

  await listening(listener, options)
  return {
    address: listener.address() as AddressInfo,
    refreshIdentity: () => tls.setSecureContext(contextOptions(options.identity(), protocol)),
    close: () =>
      new Promise((resolve) => {
        listener.close(() => resolve())
        admission.destroyAll()
      }),
  }
}

function remoteOf(socket: Socket): string {
  const { remoteAddress = '', remotePort = 0 } = socket
  return `${remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`
}

function listening(
  server: Server,
  options: { readonly host?: string; readonly port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new CountersignError('unavailable', `cannot listen on port ${options.port}`, {
          reason: error.code === 'EADDRINUSE' ? 'listen-address-in-use' : 'listen-failed',
          cause: error,
        }),
      ),
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
      secureContext: createSecureContext(contextOptions(options.identity, protocol)),
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
        checkSession(socket, protocol)
        options.verifyServer(presentedChain(socket))
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

import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { createServer, type TLSSocket, type TlsOptions, type Server as TlsServer } from 'node:tls'
import { CountersignError } from '../errors.ts'
import { backgroundClock, type Clock, systemClock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { within } from '../runtime/within.ts'
import type { SpiffeIdMatcher } from '../spiffe-id/matchers.ts'
import { verifyAgain } from '../svid/verified-chains.ts'
import type { VerifiedX509Svid, X509Svid } from '../svid/x509-svid.ts'

import type { TlsProtocol } from './context.ts'
import { type GuardOptions, guardedOptions, guardServer } from './guard.ts'
import { connectTls, listenTls, type TlsListener } from './handshake.ts'
import { currentSvid, type IdentitySource } from './identity-source.ts'
import { type Peer, peerOf, setStanding } from './peer.ts'
import { beginTenure } from './tenure.ts'

export interface MtlsOptions {
  readonly source: IdentitySource
  /** Asked once the peer has proved who it is. */
  readonly authorize: SpiffeIdMatcher
  /** The protocols to agree on; none unless told. */
  readonly alpn?: readonly string[]
  /** To connect, and for the handshake; 5 s unless told. */
  readonly timeoutMs?: number
  readonly clock?: Clock
}

const defaultTimeoutMs = 5000

/** Whom to be, whom to let in, and how many. */
export interface MtlsServerOptions extends MtlsOptions {
  /** 20,000 unless told. */
  readonly maxConnections?: number
  /** Of one IPv4 address or one /64 of IPv6; 2,000 unless told. */
  readonly maxConnectionsPerAddress?: number
  /** Told of each client that is refused. */
  readonly log?: Log
}

/**
 * A server of node:tls, node:https or node:http2 whose connections have all been checked: each new
 * handshake shows the SVID that the source has by then, open connections live on until an SVID of
 * theirs ends. While the source has none, no handshake succeeds. `make` gets what the server is made with.
 */
export function mtlsServer<S extends TlsServer>(
  options: MtlsServerOptions,
  make: (tls: TlsOptions) => S,
): S {
  const guarded = guardOptions(options, () => {})
  const server = make(guardedOptions(guarded))
  const guard = guardServer(server, guarded)
  let stopUpdates: (() => void) | undefined
  server.on('listening', () => {
    guard.refreshIdentity()
    stopUpdates = options.source.onUpdate(() => guard.refreshIdentity())
  })
  server.on('close', () => stopUpdates?.())
  return server
}

/**
 * A server as of node:tls, with `listen`, `close` and the rest: `onConnection` and `secureConnection`
 * get connections of clients that `authorize` lets in, of which nothing has been read yet.
 */
export function createMtlsServer(
  options: MtlsServerOptions,
  onConnection: (socket: TLSSocket, peer: Peer) => void,
): TlsServer {
  return mtlsServer(options, (tls) =>
    createServer(tls, (socket) => onConnection(socket, peerOf(socket))),
  )
}

export interface ListenMtlsOptions extends MtlsServerOptions {
  readonly host?: string
  readonly port: number
  /** Nothing of the client's data has been read yet; the socket has an `error` listener. */
  readonly onConnection: (socket: TLSSocket, peer: Peer) => void
}

/** Listens as `mtlsServer` does; closing it ends what is open too. */
export async function listenMtls(options: ListenMtlsOptions): Promise<TlsListener> {
  const { source, host, port } = options
  const listener = await listenTls({
    ...guardOptions(options, options.onConnection),
    ...(host !== undefined && { host }),
    port,
  })
  // It may have said something while the port was being opened.
  listener.refreshIdentity()
  const stopUpdates = source.onUpdate(() => listener.refreshIdentity())
  return {
    ...listener,
    close() {
      stopUpdates()
      return listener.close()
    },
  }
}

function guardOptions(
  options: MtlsServerOptions,
  onConnection: (socket: TLSSocket, peer: Peer) => void,
): GuardOptions<VerifiedX509Svid, X509Svid> {
  const { source, maxConnections, maxConnectionsPerAddress, clock, log } = options
  return {
    ...(maxConnections !== undefined && { maxConnections }),
    ...(maxConnectionsPerAddress !== undefined && { maxConnectionsPerAddress }),
    ...(clock !== undefined && { clock }),
    ...(log !== undefined && { log }),
    identity: () => currentSvid(source),
    protocol: protocolOf(options),
    handshakeTimeoutMs: options.timeoutMs ?? defaultTimeoutMs,
    verifyClient: (chain) => admit(options, chain),
    onConnection(socket, verified, shown) {
      if (shown === undefined) throw new TypeError('a handshake without a certificate')
      onConnection(socket, begin(options, socket, shown, verified))
    },
  }
}

/** Where to connect to, whom to be, and whom to meet. */
export interface ConnectMtlsOptions extends MtlsOptions {
  readonly host: string
  readonly port: number
}

/** An open connection, and who is at its other end. */
export interface MtlsConnection {
  readonly socket: TLSSocket
  readonly peer: Peer
}

/**
 * Connects to a server that shows an X509-SVID which `authorize` lets in; its name in DNS counts for
 * nothing. Rejects with `unauthenticated` (`svid-…`, `peer-…`), `forbidden` (`peer-unauthorized`),
 * `unavailable` (`connection-failed`, `connection-timeout`, `tls-…`), or what the source has instead of an SVID.
 */
export async function connectMtls(options: ConnectMtlsOptions): Promise<MtlsConnection> {
  return secureMtls(await connected(options), options)
}

/** Makes such a connection of a plain one that is open already. */
export async function secureMtls(raw: Socket, options: MtlsOptions): Promise<MtlsConnection> {
  let verified: VerifiedX509Svid | undefined
  try {
    const identity = options.source.svid()
    const socket = await connectTls({
      socket: raw,
      identity,
      protocol: protocolOf(options),
      verifyServer: (chain) => {
        verified = admit(options, chain)
      },
      handshakeTimeoutMs: options.timeoutMs ?? defaultTimeoutMs,
      ...(options.clock !== undefined && { clock: options.clock }),
    })
    if (verified === undefined) throw new TypeError('connected without a check')
    return { socket, peer: begin(options, socket, identity, verified) }
  } catch (error) {
    raw.destroy()
    throw error
  }
}

/** The presented bytes, DER, leaf first, are what is checked. */
function admit(options: MtlsOptions, chain: readonly Buffer[]): VerifiedX509Svid {
  const now = (options.clock ?? systemClock).now()
  const verified = verifyAgain(chain, options.source, now)
  // Anything but `true`, a promise say, is no permission.
  if (options.authorize(verified.spiffeId) !== true) {
    throw new CountersignError('forbidden', `${verified.spiffeId} is not let in here`, {
      reason: 'peer-unauthorized',
    })
  }
  return verified
}

function begin(
  { source, clock }: MtlsOptions,
  socket: TLSSocket,
  own: X509Svid,
  verified: VerifiedX509Svid,
): Peer {
  const peer = { spiffeId: verified.spiffeId }
  const parties = { own, peer: verified }
  const retirement = beginTenure(socket, source, parties, clock ?? backgroundClock)
  setStanding(socket, { peer, ...retirement })
  return peer
}

function protocolOf({ alpn }: MtlsOptions): TlsProtocol {
  return { minVersion: 'TLSv1.2', alpn: alpn ?? [] }
}

async function connected(options: ConnectMtlsOptions): Promise<Socket> {
  // No connection is begun without an identity to show.
  options.source.svid()
  const socket = connectTcp({ host: options.host, port: options.port, noDelay: true })
  const failed = (reason: string, cause?: unknown) =>
    new CountersignError('unavailable', 'the peer cannot be reached', { reason, cause })
  try {
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
    const clock = options.clock ?? systemClock
    await within(clock, timeoutMs, once(socket, 'connect'), () => failed('connection-timeout'))
    return socket
  } catch (error) {
    socket.destroy()
    throw error instanceof CountersignError ? error : failed('connection-failed', error)
  }
}

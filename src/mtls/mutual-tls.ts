import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { BundleLookup } from '../bundle/bundle.ts'
import { CountersignError } from '../errors.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { within } from '../runtime/within.ts'
import type { SpiffeIdMatcher } from '../spiffe-id/matchers.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { verifyX509Svid, type X509Svid } from '../svid/x509-svid.ts'
import type { TlsIdentity, TlsProtocol } from './context.ts'
import { connectTls, listenTls, type TlsListener } from './handshake.ts'

/** Whom to be, and by which bundles to check others. */
export interface IdentitySource extends BundleLookup {
  /** The SVID to show now. Throws where there is none. */
  svid(): X509Svid
  /** Calls back after each change; the result ends that. */
  onUpdate(listener: () => void): () => void
}

/** Who is at the other end: checked against the bundle of its own trust domain, and let in. */
export interface Peer {
  readonly spiffeId: SpiffeId
}

interface MtlsOptions {
  readonly source: IdentitySource
  readonly authorize: SpiffeIdMatcher
  /** The protocols to agree on; none unless told. */
  readonly alpn?: readonly string[]
  /** To connect, and for the handshake; 5 s unless told. */
  readonly timeoutMs?: number
  readonly clock?: Clock
}

const defaultTimeoutMs = 5000

export interface ListenMtlsOptions extends MtlsOptions {
  readonly host?: string
  readonly port: number
  /** Nothing of the client's data has been read yet; the socket has an `error` listener. */
  readonly onConnection: (socket: TLSSocket, peer: Peer) => void
  readonly log?: Log
}

/**
 * Listens for clients that show an X509-SVID which `authorize` lets in. Each new handshake shows the
 * SVID that the source has by then; open connections live on. While the source has none, none succeeds.
 */
export async function listenMtls(options: ListenMtlsOptions): Promise<TlsListener> {
  const { source } = options
  const listener = await listenTls<Peer>({
    ...options,
    identity: () => currentIdentity(source),
    protocol: protocolOf(options),
    verifyClient: (chain) => admit(options, chain),
    handshakeTimeoutMs: options.timeoutMs ?? defaultTimeoutMs,
  })
  const stopUpdates = source.onUpdate(() => listener.refreshIdentity())
  return {
    ...listener,
    close() {
      stopUpdates()
      return listener.close()
    },
  }
}

export interface ConnectMtlsOptions extends MtlsOptions {
  readonly host: string
  readonly port: number
}

/**
 * Connects to a server that shows an X509-SVID which `authorize` lets in; its name in DNS counts for
 * nothing. Rejects with `unauthenticated` (`svid-…`, `peer-…`), `forbidden` (`peer-unauthorized`),
 * `unavailable` (`connection-failed`, `connection-timeout`, `tls-…`), or what the source has instead of an SVID.
 */
export async function connectMtls(
  options: ConnectMtlsOptions,
): Promise<{ readonly socket: TLSSocket; readonly peer: Peer }> {
  const identity = options.source.svid()
  let peer: Peer | undefined
  const socket = await connectTls({
    socket: await connected(options),
    identity,
    protocol: protocolOf(options),
    verifyServer: (chain) => {
      peer = admit(options, chain)
    },
    handshakeTimeoutMs: options.timeoutMs ?? defaultTimeoutMs,
    ...(options.clock !== undefined && { clock: options.clock }),
  })
  if (peer === undefined) throw new TypeError('connected without a check')
  return { socket, peer }
}

/** The presented bytes, DER, leaf first, are what is checked. */
function admit(options: MtlsOptions, chain: readonly Buffer[]): Peer {
  const now = (options.clock ?? systemClock).now()
  const { spiffeId } = verifyX509Svid(chain, options.source, now)
  if (!options.authorize(spiffeId)) {
    throw new CountersignError('forbidden', `${spiffeId} is not let in here`, {
      reason: 'peer-unauthorized',
    })
  }
  return { spiffeId }
}

function protocolOf({ alpn }: MtlsOptions): TlsProtocol {
  return { minVersion: 'TLSv1.2', alpn: alpn ?? [] }
}

function currentIdentity(source: IdentitySource): TlsIdentity | undefined {
  try {
    return source.svid()
  } catch (error) {
    if (error instanceof CountersignError) return undefined
    throw error
  }
}

async function connected(options: ConnectMtlsOptions): Promise<Socket> {
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

import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { CountersignError } from '../../../src/errors.ts'
import { type GuardOptions, guardedOptions, guardServer } from '../../../src/mtls/guard.ts'
import { currentSvid, type IdentitySource } from '../../../src/mtls/identity-source.ts'
import { cannotListen } from '../../../src/runtime/cannot-listen.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { formatHostPort, type HostPort } from '../../../src/runtime/config-value.ts'
import { inTurn } from '../../../src/runtime/in-turn.ts'
import type { Log } from '../../../src/runtime/log.ts'
import { aborted } from '../../../src/runtime/tasks.ts'
import { within } from '../../../src/runtime/within.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { verifyAgain } from '../../../src/svid/verified-chains.ts'
import { holdsStill, type X509Svid } from '../../../src/svid/x509-svid.ts'
import { issuedAt } from '../../ca/rotation.ts'
import type { Peer } from '../caller.ts'
import type { Serve } from './broker.ts'
import { refusalFor } from './refusal.ts'

const handshakeTimeoutMs = 5000
/** So long a broker that stops waits for its answers to leave. */
const tellMs = 1000
const protocol = { minVersion: 'TLSv1.2', alpn: [] } as const
const httpLimits = {
  maxHeaderSize: 16_384,
  // Asked for where it is refused with a reason.
  requireHostHeader: false,
  headersTimeout: 5000,
  // A body may take as long as its call may.
  requestTimeout: 0,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 1000,
} as const

export interface EndpointDeps {
  readonly serve: Serve
  /** A request that could not be read. */
  readonly unreadable: (error: CountersignError, address: string) => void
  readonly source: IdentitySource
  readonly config: {
    readonly address: HostPort
    readonly maxConnections: number
    readonly maxConnectionsPerAddress: number
  }
  readonly onReady: (at: HostPort) => void
  /** Ends the calls under way. */
  readonly endCalls: () => void
  readonly clock: Clock
  readonly log: Log
}

/**
 * Listens for callers until the signal aborts, with the SVID that the source has by then. A client need not show one;
 * what it shows has to be a good SVID. Throws `unavailable` `broker-address`.
 */
export async function serveBroker(deps: EndpointDeps, signal: AbortSignal): Promise<void> {
  const { config, source, clock, log } = deps
  const peers = new WeakMap<Duplex, Peer>()
  const guarding: GuardOptions<Peer | undefined, X509Svid> = {
    identity: () => currentSvid(source),
    protocol,
    handshakeTimeoutMs,
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
    clock,
    log,
    verifyClient: (chain) => (chain.length === 0 ? undefined : peerOf(chain, source, clock)),
    onConnection: (socket, peer) => {
      if (peer !== undefined) peers.set(socket, peer)
    },
  }
  const server = createServer({ ...guardedOptions(guarding), ...httpLimits })
  // Bounded by the size of the head: what goes beyond a count would be left out silently.
  server.maxHeadersCount = 0
  const guard = guardServer(server, guarding)
  const served = addHandlers(server, peers, deps)
  const { host, port } = config.address
  try {
    server.listen({ host, port })
    await once(server, 'listening')
  } catch (error) {
    throw cannotListen(
      `address ${formatHostPort(config.address)}`,
      error as NodeJS.ErrnoException,
      'broker-address',
    )
  }
  // Such as EMFILE at accept: the listener lives on.
  server.on('error', (error) => log.warn('a connection cannot be taken', { error }))
  guard.refreshIdentity()
  const stopUpdates = source.onUpdate(() => guard.refreshIdentity())
  deps.onReady({ host, port: (server.address() as AddressInfo).port })
  await aborted(signal)
  stopUpdates()
  const closed = new Promise((resolve) => server.close(resolve))
  // Who has called is told so, and how each call ended is on record, before the trail is closed.
  deps.endCalls()
  await within(clock, tellMs, served.all(), slow).catch(() => {})
  guard.destroyAll()
  await closed
}

function slow(): CountersignError {
  return new CountersignError('deadline', 'a caller does not take its answer', {
    reason: 'caller-slow',
  })
}

function peerOf(chain: readonly Buffer[], source: IdentitySource, clock: Clock): Peer {
  const verified = verifyAgain(chain, source, clock.now())
  const { spiffeId, leaf } = verified
  const own = currentSvid(source)?.spiffeId ?? spiffeId
  const [certificate = Buffer.alloc(0)] = chain
  return {
    spiffeId,
    certificate,
    holds: () => holdsStill(verified, source, clock.now()),
    // Not by how much it was dated back: it would be older than a revocation that it came after.
    issuedAt: issuedAt(SpiffeId.trustDomainOf(own), spiffeId, leaf.notBefore),
  }
}

/** The result: resolves once no request is served any more. */
function addHandlers(
  server: Server,
  peers: WeakMap<Duplex, Peer>,
  deps: EndpointDeps,
): { all(): Promise<unknown> } {
  const { serve, unreadable, log } = deps
  /** Of each connection the request that came last. */
  const latest = new WeakMap<Duplex, ServerResponse>()
  const serving = new Set<Promise<void>>()
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { socket } = request
    try {
      await serve(request, response, { peer: peers.get(socket), address: addressOf(socket) })
    } catch (error) {
      log.error('a call failed', { error })
      response.destroy()
    }
    if (!response.closed) await new Promise((resolve) => response.once('close', resolve))
  }
  const begin = inTurn((request, response) => {
    const done = answer(request, response)
    serving.add(done)
    void done.then(() => serving.delete(done))
  })
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    request.on('error', () => {})
    response.on('error', () => {})
    latest.set(request.socket, response)
    begin(request, response)
  }
  const turnAway = (error: CountersignError, socket: Duplex): void => {
    const { status, headers, body } = refusalFor(error)
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const length = `content-length: ${Buffer.byteLength(body)}\r\n`
    if (socket.writable && !isAnswering(latest.get(socket))) {
      socket.end(
        `HTTP/1.1 ${status} \r\n${lines.join('')}${length}connection: close\r\n\r\n${body}`,
        // The caller may never end its half, and none of HTTP's times runs for it any more.
        () => socket.destroy(),
      )
    } else socket.destroy()
    unreadable(error, addressOf(socket))
  }
  server.on('request', take)
  // The caller sends its body once it is known to be let in.
  server.on('checkContinue', take)
  server.on('checkExpectation', take)
  server.on('connect', (_request, socket) =>
    turnAway(malformed('method-connect', 'no tunnels are made here'), socket),
  )
  server.on('upgrade', (_request, socket) =>
    turnAway(malformed('upgrade', 'no other protocol is spoken here'), socket),
  )
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // Whoever has left needs no answer, and has asked for nothing.
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') socket.destroy()
    else turnAway(parserError(error.code), socket)
  })
  return { all: () => Promise.all(serving) }
}

/** Whether what is written now would pass for an answer to a request before, or for a part of it. */
function isAnswering(response: ServerResponse | undefined): boolean {
  if (response === undefined || response.closed) return false
  return response.headersSent || response.req.complete
}

const reasons: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'head-too-large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'head-too-large',
  HPE_UNEXPECTED_CONTENT_LENGTH: 'framing',
  HPE_INVALID_CONTENT_LENGTH: 'framing',
  HPE_INVALID_TRANSFER_ENCODING: 'framing',
  HPE_INVALID_METHOD: 'method-unknown',
  HPE_INVALID_VERSION: 'http-version',
  HPE_INVALID_URL: 'path-character',
  ERR_HTTP_REQUEST_TIMEOUT: 'head-slow',
}

/** Not with its cause, which keeps the bytes: they may hold a caller's token. */
function parserError(code = ''): CountersignError {
  return malformed(reasons[code] ?? 'http-malformed', 'the request cannot be read')
}

function malformed(reason: string, message: string): CountersignError {
  return new CountersignError('invalid', message, { reason })
}

function addressOf(socket: Duplex): string {
  const { remoteAddress = '', remotePort = 0 } = socket as {
    remoteAddress?: string
    remotePort?: number
  }
  return formatHostPort({ host: remoteAddress, port: remotePort })
}

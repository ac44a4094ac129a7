import { readFileSync } from 'node:fs'
import { Agent, type ClientRequest, type RequestOptions } from 'node:http'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { CountersignError } from '../../../src/errors.ts'
import { connectEndpoint, type EndpointProfile } from '../../../src/federation/connect.ts'
import { type HostLookup, locate } from '../../../src/federation/locate.ts'
import { parseNetworks } from '../../../src/federation/networks.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { within } from '../../../src/runtime/within.ts'
import type { Integration } from '../settings.ts'

const connectTimeoutMs = 10_000
/** A connection that lies idle is shut after this, and none takes a further call that is older than that. */
const idleMs = 15_000
const maxAgeMs = 300_000
const maxIdle = 256
const maxIdleOfCaller = 16

/** Of a request by this agent. */
export interface VendorRequestOptions extends RequestOptions {
  readonly agent: VendorAgent
  /** Connections are kept for this caller alone: what a vendor sends too much of reaches nobody else. */
  readonly caller: string
}

export interface VendorAgentDeps {
  readonly lookup: HostLookup
  readonly clock: Clock
}

type Connected = (error: Error | null, socket: TLSSocket) => void

/**
 * Connections to one vendor, and to nowhere else whatever a request names: the name is resolved once a connection, the
 * address is public or of a network that the operator has allowed (T8), and the certificate is the host's. Requests
 * fail with `forbidden` `vendor-address`; `unavailable`: `vendor-name`, `vendor-unreachable`, `vendor-timeout`,
 * `vendor-tls`; `unauthenticated` would be the vendor: `unavailable` `vendor-certificate`.
 */
export class VendorAgent extends Agent {
  readonly #upstream: URL
  readonly #profile: EndpointProfile
  readonly #networks: ReturnType<typeof parseNetworks>
  readonly #deps: VendorAgentDeps
  readonly #openedMs = new WeakMap<Duplex, number>()
  #retired = false
  readonly #spoke = function (this: Duplex): void {
    this.destroy()
  }

  /** Throws `invalid` `vendor-ca`. */
  constructor(
    integration: Pick<Integration, 'upstream' | 'ca' | 'networks' | 'limits'>,
    deps: VendorAgentDeps,
  ) {
    super({
      keepAlive: true,
      maxSockets: integration.limits.calls,
      maxFreeSockets: maxIdleOfCaller,
      timeout: idleMs,
      scheduling: 'lifo',
    })
    this.#upstream = integration.upstream
    this.#profile = {
      type: 'https_web',
      ...(integration.ca !== undefined && { ca: [readCa(integration.ca)] }),
    }
    this.#networks = parseNetworks(integration.networks)
    this.#deps = deps
  }

  override createConnection(_options: object, callback?: Connected): undefined {
    this.#connect().then(
      (socket) => {
        this.#openedMs.set(socket, this.#deps.clock.monotonicMs())
        callback?.(null, socket)
      },
      (error: unknown) => callback?.(vendorError(error), undefined as never),
    )
  }

  override getName(options?: RequestOptions & { readonly caller?: string }): string {
    return options?.caller ?? ''
  }

  override keepSocketAlive(socket: Duplex): boolean {
    const kept: unknown = super.keepSocketAlive(socket)
    const age = this.#deps.clock.monotonicMs() - (this.#openedMs.get(socket) ?? 0)
    const idle = Object.values(this.freeSockets).reduce((sum, of) => sum + (of?.length ?? 0), 0)
    if (kept !== true || age >= maxAgeMs || idle >= maxIdle || this.#retired) return false
    // Nobody has asked for anything: what comes now would pass for the answer to the next request.
    if (socket.readableLength > 0) return false
    socket.on('data', this.#spoke).resume()
    return true
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    socket.off('data', this.#spoke)
    super.reuseSocket(socket, request)
  }

  /** Calls under way come to their end; no connection is kept. */
  retire(): void {
    this.#retired = true
    for (const sockets of Object.values(this.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy()
    }
  }

  async #connect(): Promise<TLSSocket> {
    const { clock, lookup } = this.#deps
    const over = new AbortController()
    const late = (): CountersignError =>
      new CountersignError('deadline', 'the vendor does not take the connection', {
        reason: 'vendor-timeout',
      })
    const connecting = (async () => {
      const location = await locate(this.#upstream, {
        lookup,
        allowedNetworks: this.#networks,
        allowedPorts: undefined,
      })
      return connectEndpoint(location, {
        profile: this.#profile,
        timeoutMs: connectTimeoutMs,
        clock,
        signal: over.signal,
      })
    })()
    try {
      return await within(clock, connectTimeoutMs, connecting, late)
    } catch (error) {
      over.abort()
      connecting.then(
        (socket) => socket.destroy(),
        () => {},
      )
      throw error
    }
  }
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new CountersignError('invalid', `${path} cannot be read`, {
      reason: 'vendor-ca',
      fix: 'let ca name a PEM file of the CA that signs the vendor’s certificate',
      cause,
    })
  }
}

const words: Readonly<Record<string, string>> = {
  'federation-address': 'the vendor’s name leads to an address that is not allowed',
  'federation-name': 'the vendor’s name is not known',
  'federation-unreachable': 'the vendor cannot be reached',
  'federation-certificate': 'the vendor’s certificate is refused',
  'tls-handshake': 'the TLS handshake with the vendor failed',
}

/** In words of this side; what the network said stays in the cause, which is for the log. */
function vendorError(error: unknown): CountersignError {
  if (!(error instanceof CountersignError)) {
    return new CountersignError('unavailable', 'the vendor cannot be reached', {
      reason: 'vendor-unreachable',
      cause: error,
    })
  }
  const message = words[error.reason]
  if (message === undefined) return error
  const reason = error.reason.replace(/^federation-|^tls-handshake$/, 'vendor-')
  return new CountersignError(error.code === 'forbidden' ? 'forbidden' : 'unavailable', message, {
    reason: reason === 'vendor-' ? 'vendor-tls' : reason,
    cause: error,
  })
}

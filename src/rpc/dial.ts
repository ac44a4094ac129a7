import {
  CallCredentials,
  ChannelCredentials,
  type ChannelOptions,
  Client,
  credentials,
  logVerbosity,
  type ServiceError,
  setLogVerbosity,
} from '@grpc/grpc-js'
import { asCountersignError, CountersignError } from '../errors.ts'
import { connectTls, type TlsIdentity } from '../mtls/handshake.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { fromStatus } from './status.ts'

// As in server.ts: a peer's bytes do not belong on standard error.
setLogVerbosity(logVerbosity.NONE)

/** One connection to one server, made when first needed and again after it broke. */
export interface RpcChannel {
  readonly client: Client
  /** A failed call as one of our errors, with what this side knows of why it has no connection. */
  explain(error: ServiceError): CountersignError
  /** Calls that are open end with UNAVAILABLE or CANCELLED. */
  close(): void
}

/** As many bytes as fit into `sockaddr_un` beside the closing zero; Node cuts longer ones silently. */
const maxSocketPathBytes = 107

const baseOptions: ChannelOptions = {
  'grpc.enable_channelz': 0,
  'grpc.use_local_subchannel_pool': 1,
  // A proxy of the environment, or a service config from DNS, has no say in whom we talk to.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 3000,
  'grpc.max_receive_message_length': 8 << 20,
}

/** Dials a Unix socket by its absolute path. Throws `invalid`: `socket-path`. */
export function dialUnix(path: string): RpcChannel {
  if (
    !path.startsWith('/') ||
    path.includes('\0') ||
    Buffer.byteLength(path) > maxSocketPathBytes
  ) {
    throw new CountersignError(
      'invalid',
      `a socket path is absolute and has at most ${maxSocketPathBytes} bytes`,
      { reason: 'socket-path' },
    )
  }
  return channel(`unix://${path}`, credentials.createInsecure(), baseOptions, () => undefined)
}

export interface DialTlsOptions {
  /** `host:port` */
  readonly address: string
  /** Asked for each new connection; undefined shows no certificate. */
  readonly identity?: () => TlsIdentity | undefined
  /** Throws to refuse the server by the chain that it presented, DER, in its order. */
  readonly verifyPeer: (chain: readonly Buffer[]) => SpiffeId
  readonly handshakeTimeoutMs?: number
  /** How often a silent server is asked whether it is alive; it has `keepaliveTimeoutMs` to answer. */
  readonly keepaliveMs?: number
  readonly keepaliveTimeoutMs?: number
  readonly clock?: Clock
  readonly log: Log
}

const tlsDefaults = { handshakeTimeoutMs: 5000, keepaliveMs: 5000, keepaliveTimeoutMs: 4000 }

/**
 * Dials a server over TLS 1.3. Where `verifyPeer` refuses it, or the handshake fails, calls fail with
 * `unavailable` and the reason of that refusal.
 */
export function dialTls(options: DialTlsOptions): RpcChannel {
  const clock = options.clock ?? systemClock
  let refusal: CountersignError | undefined
  const secure = new VerifyingCredentials(async (socket) => {
    try {
      const connected = await connectTls({
        socket,
        identity: options.identity?.(),
        verifyServer: options.verifyPeer,
        handshakeTimeoutMs: options.handshakeTimeoutMs ?? tlsDefaults.handshakeTimeoutMs,
        clock,
      })
      refusal = undefined
      return connected
    } catch (error) {
      refusal = asCountersignError(error)
      options.log.warn('no connection to the server', { address: options.address, error })
      throw error
    }
  })
  return channel(
    `dns:${options.address}`,
    secure,
    {
      ...baseOptions,
      'grpc.keepalive_time_ms': options.keepaliveMs ?? tlsDefaults.keepaliveMs,
      'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? tlsDefaults.keepaliveTimeoutMs,
    },
    () => refusal,
  )
}

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>
type Connected = Awaited<ReturnType<Connector['connect']>>['socket']

/** Hands grpc-js connections that were verified here; grpc-js adds no check of its own. */
class VerifyingCredentials extends ChannelCredentials {
  readonly #secure: (socket: Connected) => Promise<Connected>

  constructor(secure: (socket: Connected) => Promise<Connected>) {
    super()
    this.#secure = secure
  }

  override _isSecure(): boolean {
    return true
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  override _createSecureConnector(
    _target: unknown,
    _options: ChannelOptions,
    callCredentials?: CallCredentials,
  ): Connector {
    const given = callCredentials ?? CallCredentials.createEmpty()
    return {
      connect: async (socket) => ({ socket: await this.#secure(socket), secure: true }),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => given,
      destroy: () => {},
    }
  }
}

/** What the operating system says when nobody listens, as grpc-js quotes it. */
const connectFailures: readonly (readonly [RegExp, string, string])[] = [
  [/\bENOENT\b/, 'socket-absent', 'there is no such socket'],
  [/\bECONNREFUSED\b/, 'connection-refused', 'nobody listens there'],
  [/\bEACCES\b/, 'socket-forbidden', 'access to the socket is denied'],
  [
    /\b(ENOTFOUND|EAI_AGAIN)\b|Name resolution failed/,
    'name-unresolved',
    'the host name has no address',
  ],
]

function channel(
  target: string,
  creds: ChannelCredentials,
  options: ChannelOptions,
  lastRefusal: () => CountersignError | undefined,
): RpcChannel {
  const client = new Client(target, creds, options)
  return {
    client,
    explain(error) {
      const plain = fromStatus(error)
      if (plain.reason !== 'rpc-unavailable') return plain
      const refusal = lastRefusal()
      if (refusal !== undefined) return unavailable(refusal.message, refusal.reason, refusal)
      for (const [pattern, reason, message] of connectFailures) {
        if (pattern.test(error.details)) return unavailable(message, reason, error)
      }
      return plain
    },
    close: () => client.close(),
  }
}

function unavailable(message: string, reason: string, cause: unknown): CountersignError {
  return new CountersignError('unavailable', message, { reason, cause })
}

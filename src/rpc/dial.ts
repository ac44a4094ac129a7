import { isIPv6 } from 'node:net'
import {
  type ChannelOptions,
  Client,
  logVerbosity,
  type ServiceError,
  setLogVerbosity,
} from '@grpc/grpc-js'
import { asCountersignError, CountersignError } from '../errors.ts'
import type { TlsIdentity } from '../mtls/context.ts'
import { connectTls } from '../mtls/handshake.ts'
import { backgroundClock, type Clock, systemClock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { Deadlines } from './deadlines.ts'
import { HandledCredentials } from './handled-credentials.ts'
import { fromStatus } from './status.ts'

// As in server.ts: a peer's bytes do not belong on standard error.
setLogVerbosity(logVerbosity.NONE)

/** One connection to one server, made when first needed and again after it broke. */
export interface RpcChannel {
  /** What carries the next call. Throws `unavailable`, `channel-closed`. */
  readonly client: Client
  /** A failed call as one of our errors, with what this side knows of why it has no connection. */
  explain(error: ServiceError): CountersignError
  /** No call begins any more; those that run may end. */
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

export interface DialPlainOptions {
  /** Whether a running call keeps the process alive; it does unless told. */
  readonly keepAlive?: boolean
}

/** Dials a Unix socket by its absolute path. Throws `invalid`: `socket-path`. */
export function dialUnix(path: string, options: DialPlainOptions = {}): RpcChannel {
  if (
    !path.startsWith('/') ||
    path.includes('\0') ||
    Buffer.byteLength(path) > maxSocketPathBytes
  ) {
    throw new CountersignError(
      'invalid',
      `a socket path is absolute and has at most ${maxSocketPathBytes} bytes`,
      { reason: 'socket-path', fix: 'write the path from / on, or use a shorter folder' },
    )
  }
  return dialPlain(`unix://${path}`, options)
}

/** Dials an IP address, without TLS: what is said there is for this machine or a network that is trusted. */
export function dialTcp(host: string, port: number, options: DialPlainOptions = {}): RpcChannel {
  return dialPlain(isIPv6(host) ? `ipv6:[${host}]:${port}` : `ipv4:${host}:${port}`, options)
}

function dialPlain(target: string, { keepAlive = true }: DialPlainOptions): RpcChannel {
  const deadlines = new Deadlines(backgroundClock)
  const plain = new HandledCredentials({
    encrypted: false,
    attempting: () => deadlines.set(channel, connectTimeoutMs, () => channel.reopen()),
    async handle(socket) {
      deadlines.clear(channel)
      // A peer that is gone without a word is found out within half a minute.
      socket.setKeepAlive(true, probeAfterMs)
      // HTTP/2 takes the socket's reference for each time that it has a stream.
      if (!keepAlive) Object.assign(socket.unref(), { ref: () => socket })
      return socket
    },
  })
  const channel = new Channel(
    target.replace(/^(unix:\/\/|ipv[46]:)/, ''),
    () => new Client(target, plain, baseOptions),
    () => deadlines.clear(channel),
  )
  return channel
}

export interface DialTlsOptions {
  /** `host:port` */
  readonly address: string
  /** Asked for each new connection; undefined shows no certificate. */
  readonly identity?: () => TlsIdentity | undefined
  /** Throws to refuse the server by the chain that it presented, DER, in its order. */
  readonly verifyPeer: (chain: readonly Buffer[]) => SpiffeId
  readonly connectTimeoutMs?: number
  readonly handshakeTimeoutMs?: number
  /** How often a silent server is asked whether it is alive; it has `keepaliveTimeoutMs` to answer. */
  readonly keepaliveMs?: number
  readonly keepaliveTimeoutMs?: number
  readonly clock?: Clock
  readonly log: Log
}

const connectTimeoutMs = 5000
const probeAfterMs = 10_000

const tlsDefaults = {
  handshakeTimeoutMs: 5000,
  keepaliveMs: 5000,
  keepaliveTimeoutMs: 4000,
}

/**
 * Dials a server over TLS 1.3. Where `verifyPeer` refuses it, or the handshake fails, calls fail with
 * `unavailable` and the reason of that refusal.
 */
export function dialTls(options: DialTlsOptions): RpcChannel {
  const clock = options.clock ?? systemClock
  const handshakeTimeoutMs = options.handshakeTimeoutMs ?? tlsDefaults.handshakeTimeoutMs
  const deadlines = new Deadlines(clock)
  const secure = new HandledCredentials({
    encrypted: true,
    // A connection attempt into a void would last minutes, and long beyond the end of the outage.
    attempting: () =>
      deadlines.set(channel, options.connectTimeoutMs ?? connectTimeoutMs, () => channel.reopen()),
    async handle(socket) {
      deadlines.clear(channel)
      try {
        const connected = await connectTls({
          socket,
          identity: options.identity?.(),
          verifyServer: options.verifyPeer,
          handshakeTimeoutMs,
          clock,
        })
        channel.refusal = undefined
        return connected
      } catch (error) {
        channel.refusal = asCountersignError(error)
        options.log.warn('no connection to the server', { address: options.address, error })
        throw error
      }
    },
  })
  const channel = new Channel(
    options.address,
    () =>
      new Client(`dns:${options.address}`, secure, {
        ...baseOptions,
        'grpc.keepalive_time_ms': options.keepaliveMs ?? tlsDefaults.keepaliveMs,
        'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? tlsDefaults.keepaliveTimeoutMs,
      }),
    () => deadlines.clear(channel),
  )
  return channel
}

/** What the operating system says when nobody listens, as grpc-js quotes it. */
const connectFailures: readonly (readonly [RegExp, string, (where: string) => string])[] = [
  [/\bENOENT\b/, 'socket-absent', (where) => `there is no socket ${where}`],
  [/\bECONNREFUSED\b/, 'connection-refused', (where) => `nobody listens at ${where}`],
  [/\bEACCES\b/, 'socket-forbidden', (where) => `access to ${where} is denied`],
  [
    /\b(ENOTFOUND|EAI_AGAIN)\b|Name resolution failed/,
    'name-unresolved',
    (where) => `the host name of ${where} has no address`,
  ],
]

/** How grpc-js begins to say that there is no connection, as against what a server says. */
const notConnected = /^(No connection established|Name resolution failed)/

class Channel implements RpcChannel {
  /** Why the last connection that came about was given up. */
  refusal: CountersignError | undefined
  /** What is dialled, as a person writes it. */
  readonly #where: string
  readonly #open: () => Client
  readonly #onClose: () => void
  #client: Client | undefined

  constructor(where: string, open: () => Client, onClose: () => void = () => {}) {
    this.#where = where
    this.#open = open
    this.#onClose = onClose
    this.#client = open()
  }

  get client(): Client {
    if (this.#client !== undefined) return this.#client
    throw unavailable('the channel has been closed', 'channel-closed', undefined)
  }

  explain(error: ServiceError): CountersignError {
    const plain = fromStatus(error)
    if (plain.reason !== 'rpc-unavailable' || !notConnected.test(error.details)) return plain
    for (const [pattern, reason, message] of connectFailures) {
      if (pattern.test(error.details)) return unavailable(message(this.#where), reason, error)
    }
    const { refusal } = this
    return refusal === undefined
      ? plain
      : unavailable(refusal.message, refusal.reason, refusal, refusal.fix)
  }

  /** Gives up the attempt to connect; the next call makes a new one. */
  reopen(): void {
    const given = this.#client
    if (given === undefined) return
    this.#client = this.#open()
    given.close()
  }

  close(): void {
    this.#client?.close()
    this.#client = undefined
    this.#onClose()
  }
}

function unavailable(
  message: string,
  reason: string,
  cause: unknown,
  fix?: string,
): CountersignError {
  return new CountersignError('unavailable', message, { reason, cause, fix })
}

import type { AgentOptions } from 'node:http'
import { type ClientHttp2Session, connect as connectSession } from 'node:http2'
import { Agent as HttpsAgent } from 'node:https'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { CountersignError } from '../errors.ts'
import { onRenewal } from './identity-source.ts'
import { connectMtls, type MtlsOptions } from './mutual-tls.ts'
import { isRetiring, onRetiring } from './peer.ts'

/** Whom to be, and whom to ask. */
export type HttpClientOptions = Omit<MtlsOptions, 'alpn'>

export interface Address {
  readonly host?: string | null | undefined
  readonly hostname?: string | null | undefined
  readonly port?: string | number | null | undefined
}

export type Connected = (error: Error | null, socket: TLSSocket) => void

/**
 * A `https.Agent` whose connections show the source's SVID, to servers that `authorize` lets in; it
 * keeps them for the next request. A renewal ends those that lie idle, and each other after its
 * request, so that none is in use still when the SVID that it was made with ends. Nor does a request begin
 * in the last 30 s of the server's SVID. `destroy()` when there is no more to ask.
 */
export class Agent extends HttpsAgent {
  readonly #options: HttpClientOptions
  readonly #stopUpdates: () => void
  #current = new WeakSet<Duplex>()

  /** `http` says how node:http is to keep connections. */
  constructor(options: HttpClientOptions & { readonly http?: AgentOptions }) {
    super({ keepAlive: true, ...options.http })
    this.#options = options
    this.#stopUpdates = onRenewal(options.source, () => this.#renew())
  }

  override createConnection(address: Address, callback?: Connected): undefined {
    const current = this.#current
    dial(this.#options, address, (error, socket) => {
      if (error === null) {
        current.add(socket)
        onRetiring(socket, () => this.#endIdle((idle) => idle === socket))
      }
      callback?.(error, socket)
    })
  }

  override keepSocketAlive(socket: Duplex): boolean {
    const kept: unknown = super.keepSocketAlive(socket)
    return kept === true && this.#current.has(socket) && !isRetiring(socket)
  }

  override destroy(): void {
    this.#stopUpdates()
    // What is about to connect is not kept either.
    this.#current = new WeakSet()
    super.destroy()
  }

  #renew(): void {
    this.#current = new WeakSet()
    this.#endIdle(() => true)
  }

  #endIdle(which: (socket: Duplex) => boolean): void {
    for (const sockets of Object.values(this.freeSockets)) {
      for (const socket of sockets ?? []) if (which(socket)) socket.destroy()
    }
  }
}

/** Calls back in the manner of node:http, with a connection or an error. */
export function dial(options: HttpClientOptions, address: Address, callback: Connected): void {
  const host = address.hostname ?? address.host ?? 'localhost'
  connectMtls({ ...options, host, port: Number(address.port || 443) }).then(
    ({ socket }) => callback(null, socket),
    (error: Error) => callback(error, undefined as never),
  )
}

/**
 * Opens an HTTP/2 session with the server at `url` that `authorize` lets in. It ends when an SVID of its
 * connection does: its requests then fail, and it emits `close`; its `error` may be left unheard. Rejects as
 * `connect` does.
 */
export async function connectHttp2(
  url: string,
  options: HttpClientOptions,
): Promise<ClientHttp2Session> {
  const { protocol, hostname, port } = new URL(url)
  if (protocol !== 'https:') {
    throw new CountersignError('invalid', 'an identity is proved over https only', {
      reason: 'url-scheme',
    })
  }
  const host = hostname.replace(/^\[|\]$/g, '')
  const { socket } = await connectMtls({
    ...options,
    host,
    port: Number(port || 443),
    alpn: ['h2'],
  })
  const session = connectSession(url, { createConnection: () => socket })
  // Every session comes to this sooner or later, and an error without a listener ends the process.
  return session.on('error', () => {})
}

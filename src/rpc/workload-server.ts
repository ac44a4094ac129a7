import {
  experimental,
  type Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
} from '@grpc/grpc-js'
import { CountersignError } from '../errors.ts'
import type { TlsListener } from '../mtls/handshake.ts'
import { listenMtls, type MtlsServerOptions } from '../mtls/mutual-tls.ts'
import { isRetiring, type Peer } from '../mtls/peer.ts'
import { passOverGoneStreams } from './gone-streams.ts'

/** Where to listen, whom to be, and whom to let in. */
export interface ServeMtlsOptions extends Omit<MtlsServerOptions, 'alpn'> {
  readonly host?: string
  readonly port: number
}

type AuthContext = ReturnType<ServerInterceptingCallInterface['getAuthContext']>

type Injector = ReturnType<Server['createConnectionInjector']>

const mark = Symbol('peer')
const shown = Symbol('certificate')
/** For the calls of a connection that takes no more on; it ends with its SVIDs in any case. */
const drainMs = 30_000

/**
 * Opens a port for a `Server` of `@grpc/grpc-js`, in place of its `bindAsync`: to clients alone that
 * `authorize` lets in, and no byte of another reaches HTTP/2. A handler asks `peerOf(call)`. A connection
 * that is near its end takes no more calls on. Closing the listener ends what is open. Rejects with
 * `unavailable`: `listen-…`.
 */
export async function serveMtls(server: Server, options: ServeMtlsOptions): Promise<TlsListener> {
  passOverGoneStreams(server)
  const injectors = new Set<Injector>()
  const listener = await listenMtls({
    ...options,
    alpn: ['h2'],
    onConnection(socket, peer) {
      const certificate = socket.getPeerX509Certificate()?.raw
      // One a connection: what it proved cannot be taken for what another did, and it can retire alone.
      const injector = server.createConnectionInjector(
        experimental.createServerCredentialsWithInterceptors(ServerCredentials.createInsecure(), [
          (_, call) => {
            if (isRetiring(socket)) injector.drain(drainMs)
            return new PeerCall(call, peer, certificate)
          },
        ]),
      )
      injectors.add(injector)
      socket.once('close', () => {
        injectors.delete(injector)
        injector.destroy()
      })
      injector.injectConnection(socket)
    },
  })
  return {
    ...listener,
    async close() {
      for (const injector of injectors) injector.destroy()
      await listener.close()
    },
  }
}

/** Who called. Throws `unauthenticated`, `peer-unchecked`, where the call did not come by `serveMtls`. */
export function peerOf(call: { getAuthContext(): AuthContext }): Peer {
  const { [mark]: peer } = call.getAuthContext() as AuthContext & { readonly [mark]?: Peer }
  if (peer !== undefined) return peer
  throw new CountersignError('unauthenticated', 'nobody checked who is at the other end', {
    reason: 'peer-unchecked',
    fix: 'open the port of the server with serveMtls',
  })
}

/**
 * The certificate, DER, that the client has proved in TLS to have the key of: of a server opened with `serveMtls`, and
 * of one with credentials of grpc-js that check clients.
 */
export function certificateOf(call: { getAuthContext(): AuthContext }): Buffer | undefined {
  const context = call.getAuthContext() as AuthContext & { readonly [shown]?: Buffer }
  return context[shown] ?? context.sslPeerCertificate?.raw
}

class PeerCall extends ServerInterceptingCall {
  readonly #peer: Peer
  readonly #certificate: Buffer | undefined

  constructor(next: ServerInterceptingCallInterface, peer: Peer, certificate: Buffer | undefined) {
    super(next)
    this.#peer = peer
    this.#certificate = certificate
  }

  override getAuthContext(): AuthContext {
    const context = { ...super.getAuthContext(), [mark]: this.#peer, [shown]: this.#certificate }
    return context as AuthContext
  }
}

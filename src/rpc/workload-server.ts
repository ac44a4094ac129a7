import {
  experimental,
  type Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js'
import { CountersignError } from '../errors.ts'
import type { TlsListener } from '../mtls/handshake.ts'
import { listenMtls, type MtlsServerOptions } from '../mtls/mutual-tls.ts'
import type { Peer } from '../mtls/peer.ts'
import { refusedCall } from './server-call.ts'

export interface ServeMtlsOptions extends Omit<MtlsServerOptions, 'alpn'> {
  readonly host?: string
  readonly port: number
}

type AuthContext = ReturnType<ServerInterceptingCallInterface['getAuthContext']>

const mark = Symbol('peer')

/**
 * Opens a port for a `Server` of `@grpc/grpc-js`, in place of its `bindAsync`: to clients alone that
 * `authorize` lets in, and no byte of another reaches HTTP/2. A handler asks `peerOf(call)`. Closing the
 * listener ends what is open. Rejects with `unavailable`: `listen-…`.
 */
export async function serveMtls(server: Server, options: ServeMtlsOptions): Promise<TlsListener> {
  const peers = new Map<string, Peer>()
  const identified: ServerInterceptor = (_, call) => {
    const peer = peers.get(addressesOf(call.getConnectionInfo()))
    return peer === undefined ? refusedCall(call) : new PeerCall(call, peer)
  }
  const injector = server.createConnectionInjector(
    experimental.createServerCredentialsWithInterceptors(ServerCredentials.createInsecure(), [
      identified,
    ]),
  )
  const listener = await listenMtls({
    ...options,
    alpn: ['h2'],
    onConnection(socket, peer) {
      const key = addressesOf(socket)
      peers.set(key, peer)
      socket.once('close', () => {
        if (peers.get(key) === peer) peers.delete(key)
      })
      injector.injectConnection(socket)
    },
  })
  return {
    ...listener,
    async close() {
      injector.destroy()
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

class PeerCall extends ServerInterceptingCall {
  readonly #peer: Peer

  constructor(next: ServerInterceptingCallInterface, peer: Peer) {
    super(next)
    this.#peer = peer
  }

  override getAuthContext(): AuthContext {
    return { ...super.getAuthContext(), [mark]: this.#peer } as AuthContext
  }
}

type Addresses = ReturnType<ServerInterceptingCallInterface['getConnectionInfo']>

/** Both ends: one client may use one port of its own towards two addresses of the server. */
function addressesOf(ends: Addresses): string {
  return `${ends.localAddress}/${ends.localPort} ${ends.remoteAddress}/${ends.remotePort}`
}

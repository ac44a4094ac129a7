import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

/**
 * The certificate, DER, that the client of this connection has shown; its handshake has proved that the client has the
 * key. HTTP/2 shows a socket through a proxy, which is none once its session has let go of it.
 */
export function certificateOf(socket: Duplex): Buffer | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined
}

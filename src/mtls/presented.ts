import type { TLSSocket } from 'node:tls'
import { CountersignError } from '../errors.ts'
import type { TlsProtocol } from './context.ts'

/*
 * TLS alone would check a peer against one pool of CAs, and would let a resumed session skip the
 * check. So TLS here proves no more than that the peer holds the key of the certificate that it
 * shows; who that makes it is decided by the caller, on the presented bytes, before any of the peer's
 * data reaches a protocol parser.
 */

const maxChainLength = 10
/** Of all its certificates. OpenSSL takes 100 KB, and holds more than that of them as long as the connection is open. */
const maxChainBytes = 32 * 1024

/**
 * What the peer presented, DER, in its order; `[]` where it presented nothing. Node hands the chain
 * out once only, so this is called once a connection. Throws `unauthenticated`: `peer-alpn`,
 * `peer-resumed-session`, `peer-chain-too-long`.
 */
export function presentedBy(socket: TLSSocket, protocol: TlsProtocol): readonly Buffer[] {
  checkSession(socket, protocol)
  const chain: Buffer[] = []
  let bytes = 0
  let certificate = socket.getPeerX509Certificate()
  while (certificate !== undefined) {
    if (chain.length === maxChainLength) {
      refuse('peer-chain-too-long', `the peer presented more than ${maxChainLength} certificates`)
    }
    const { raw } = certificate
    bytes += raw.length
    if (bytes > maxChainBytes) {
      refuse('peer-chain-too-long', 'the peer presented more than 32 KiB of certificates')
    }
    chain.push(raw)
    certificate = certificate.issuerCertificate
  }
  return chain
}

/** What TLS itself has to have come to. */
function checkSession(socket: TLSSocket, { alpn }: TlsProtocol): void {
  if (alpn.length > 0 && !alpn.includes(socket.alpnProtocol || '')) {
    refuse('peer-alpn', `the peer does not speak ${alpn.join(' or ')}`)
  }
  if (socket.isSessionReused()) {
    refuse('peer-resumed-session', 'a resumed TLS session is not accepted')
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}

/** What to offer of a protocol. An empty list would be offered, and be refused. */
export function offered({ alpn }: TlsProtocol): { ALPNProtocols?: string[] } {
  return alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }
}

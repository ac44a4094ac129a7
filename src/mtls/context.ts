import { constants, createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'

export interface TlsIdentity {
  /** DER, leaf first; all of it is sent. */
  readonly chain: readonly Buffer[]
  /** PKCS#8, DER. */
  readonly privateKey: Buffer
}

/** What both sides of a connection are to speak. */
export interface TlsProtocol {
  /** TLS 1.3 is taken wherever the peer has it. */
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  /** One of these has to be agreed on; where empty, none is spoken of. */
  readonly alpn: readonly string[]
}

/** Between our own parts. */
export const ownProtocol: TlsProtocol = { minVersion: 'TLSv1.3', alpn: ['h2'] }

// Where TLS 1.2 is taken: forward secrecy and authenticated encryption, as in TLS 1.3.
const tls12Ciphers = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
]
const tls13Ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
]

/**
 * No session tickets (a resumed session skips the certificate), no renegotiation (it would show
 * another one after the check), no CA of the system.
 */
export function contextOptions(
  identity: TlsIdentity | undefined,
  { minVersion }: TlsProtocol,
): SecureContextOptions {
  return {
    ca: [],
    minVersion,
    maxVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    ...(minVersion === 'TLSv1.2' && { ciphers: [...tls13Ciphers, ...tls12Ciphers].join(':') }),
    ...(identity === undefined
      ? {}
      : {
          cert: identity.chain.map((der) => new X509Certificate(der).toString()).join(''),
          key: createPrivateKey({
            key: identity.privateKey,
            format: 'der',
            type: 'pkcs8',
          }).export({ format: 'pem', type: 'pkcs8' }),
        }),
  }
}

const nobody: TlsIdentity = { chain: [], privateKey: Buffer.alloc(0) }
const contexts = new WeakMap<TlsIdentity, Map<TlsProtocol['minVersion'], SecureContext>>()

/** For clients: made once an identity, since a key takes longer to read than a handshake to sign. */
export function secureContextOf(
  identity: TlsIdentity | undefined,
  protocol: TlsProtocol,
): SecureContext {
  const made = contexts.get(identity ?? nobody) ?? new Map()
  contexts.set(identity ?? nobody, made)
  const context =
    made.get(protocol.minVersion) ?? createSecureContext(contextOptions(identity, protocol))
  made.set(protocol.minVersion, context)
  return context
}

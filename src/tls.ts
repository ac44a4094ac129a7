/** Mutual TLS between workloads: each side shows its SVID, and checks the other's by its own trust domain. */
export type { TlsListener } from './mtls/handshake.ts'
export {
  type ConnectMtlsOptions,
  connectMtls,
  type IdentitySource,
  type ListenMtlsOptions,
  listenMtls,
  type Peer,
} from './mtls/mutual-tls.ts'

/** Mutual TLS between workloads: each side shows its SVID, and checks the other's by its own trust domain. */
export type { IdentitySource } from './mtls/identity-source.ts'
export {
  type ConnectMtlsOptions,
  connectMtls as connect,
  createMtlsServer as createServer,
  type MtlsConnection,
  type MtlsServerOptions,
} from './mtls/mutual-tls.ts'
export { type Peer, peerOf } from './mtls/peer.ts'

/** gRPC between workloads that have proved to each other who they are; `@grpc/grpc-js` is loaded here. */
export { type AuthenticatedCall, jwtPeerOf, requireJwtSvid } from './middleware/grpc.ts'
export type { JwtPeer, RequireJwtSvidOptions } from './middleware/jwt-check.ts'
export type { TlsListener } from './mtls/handshake.ts'
export type { IdentitySource } from './mtls/identity-source.ts'
export type { Peer } from './mtls/peer.ts'
export type { Access } from './resource-server/access-token.ts'
export {
  accessOf,
  type RequireAccessTokenForCalls,
  requireAccessToken,
} from './resource-server/grpc.ts'
export { type CallJwtOptions, createCallCredentials } from './rpc/call-credentials.ts'
export { type ChannelMtlsOptions, createChannelCredentials } from './rpc/workload-channel.ts'
export { peerOf, type ServeMtlsOptions, serveMtls } from './rpc/workload-server.ts'

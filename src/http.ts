/** HTTP/1.1 and HTTP/2 between workloads that have proved to each other who they are. */
export { Agent, connectHttp2, type HttpClientOptions } from './mtls/http-client.ts'
export {
  createHttp2Server,
  createServer,
  type Http2ServerOptions,
  type HttpServerOptions,
} from './mtls/http-server.ts'
export type { IdentitySource } from './mtls/identity-source.ts'
export { type Peer, peerOf } from './mtls/peer.ts'

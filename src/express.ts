/** Requests from callers that have proved who they are, by JWT-SVID or by access token, in front of handlers of Express. */
export type { JwtPeer, RequireJwtSvidOptions } from './middleware/jwt-check.ts'
export { jwtPeerOf } from './middleware/jwt-peer.ts'
export { type NodeMiddleware, requireJwtSvid } from './middleware/node.ts'
export type { RequireAccessTokenOptions } from './resource-server/access-check.ts'
export { accessOf } from './resource-server/access-of.ts'
export type { Access } from './resource-server/access-token.ts'
export { requireAccessToken } from './resource-server/node.ts'

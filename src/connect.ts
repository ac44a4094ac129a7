/** Requests from callers that have proved who they are, by JWT-SVID, in front of handlers of Connect and of plain `node:http`. */
export type { JwtPeer, RequireJwtSvidOptions } from './middleware/jwt-check.ts'
export { jwtPeerOf } from './middleware/jwt-peer.ts'
export { type NodeMiddleware, requireJwtSvid } from './middleware/node.ts'

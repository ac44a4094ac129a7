/** Requests from callers that have proved who they are, by JWT-SVID, in front of handlers of Koa. */

export type { JwtPeer, RequireJwtSvidOptions } from './middleware/jwt-check.ts'
export { jwtPeerOf } from './middleware/jwt-peer.ts'
export { type KoaContext, requireJwtSvid } from './middleware/koa.ts'

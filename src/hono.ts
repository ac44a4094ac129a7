/** Requests from callers that have proved who they are, by JWT-SVID, in front of handlers of Hono. */
export { type HonoContext, requireJwtSvid } from './middleware/hono.ts'
export type { JwtPeer, RequireJwtSvidOptions } from './middleware/jwt-check.ts'
export { jwtPeerOf } from './middleware/jwt-peer.ts'

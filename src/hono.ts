/** Requests from callers that have proved who they are, by JWT-SVID or by access token, in front of handlers of Hono. */
export { type HonoContext, type HonoMiddleware, requireJwtSvid } from './middleware/hono.ts'
export type { JwtPeer, RequireJwtSvidOptions } from './middleware/jwt-check.ts'
export { jwtPeerOf } from './middleware/jwt-peer.ts'
export type { RequireAccessTokenOptions } from './resource-server/access-check.ts'
export { accessOf } from './resource-server/access-of.ts'
export type { Access } from './resource-server/access-token.ts'
export { type HonoAccessContext, requireAccessToken } from './resource-server/hono.ts'

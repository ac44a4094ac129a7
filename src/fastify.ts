/** Requests from callers that have proved who they are, by JWT-SVID, in front of handlers of Fastify. */
export { type FastifyReply, type FastifyRequest, requireJwtSvid } from './middleware/fastify.ts'
export type { JwtPeer, RequireJwtSvidOptions } from './middleware/jwt-check.ts'
export { jwtPeerOf } from './middleware/jwt-peer.ts'

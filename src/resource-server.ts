/** Access tokens of an authorization server, checked in front of a service: by `verify`, or as middleware. */

export type { NodeMiddleware } from './middleware/node.ts'
export type { Access } from './resource-server/access-token.ts'
export type { JwksLocation } from './resource-server/jwks.ts'
export {
  accessOf,
  type RequireAccessTokenOptions,
  requireAccessToken,
} from './resource-server/middleware.ts'
export {
  createVerifier,
  type ShownWith,
  type Verifier,
  type VerifierOptions,
} from './resource-server/verifier.ts'

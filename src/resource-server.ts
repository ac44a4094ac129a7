/** Access tokens of an authorization server, checked in front of a service: by `verify`, or as middleware. */

export type { NodeMiddleware } from './middleware/node.ts'
export type { RequireAccessTokenOptions } from './resource-server/access-check.ts'
export { accessOf } from './resource-server/access-of.ts'
export type { Access } from './resource-server/access-token.ts'
export type { JwksLocation } from './resource-server/jwks.ts'
export { requireAccessToken } from './resource-server/node.ts'
export {
  type DescribedResource,
  describeResource,
  type ResourceDescription,
} from './resource-server/protected-resource.ts'
export { type RevocationFeedOptions, revocationFeed } from './resource-server/revocation-feed.ts'
export { type SelfTestOptions, selfTest } from './resource-server/self-test.ts'
export { whileGood } from './resource-server/shown-token.ts'
export type { Revocations, WhenUnknown } from './resource-server/standing-check.ts'
export { requireAccessTokenToUpgrade, type UpgradeGuard } from './resource-server/upgrade.ts'
export {
  createVerifier,
  type ShownWith,
  type Verifier,
  type VerifierOptions,
} from './resource-server/verifier.ts'
export type { RevocationFeed } from './revocation/feed-client.ts'

/**
 * Who am I, and who are you: SPIFFE identities for Node, from any Workload API. Loading this loads no
 * gRPC; that comes with the first call.
 */
export type { Bundle, BundleLookup, JwtAuthority, X509Authority } from './bundle/bundle.ts'
export { parseBundleDocument, writeBundleDocument } from './bundle/document.ts'
export { CountersignError, type ErrorCode, type ErrorOptions } from './errors.ts'
export type { Clock } from './runtime/clock.ts'
export type { Fields, Log } from './runtime/log.ts'
export {
  matchAny,
  matchId,
  matchOneOf,
  matchPath,
  matchTrustDomain,
  type SpiffeIdMatcher,
} from './spiffe-id/matchers.ts'
export { SpiffeId, TrustDomain } from './spiffe-id/spiffe-id.ts'
export { type JwtSvid, type VerifyJwtOptions, verifyJwtSvid } from './svid/jwt-svid.ts'
export { verifyX509Svid, type X509Svid, x509SvidFrom } from './svid/x509-svid.ts'
export { BundleSource } from './workload-api/bundle-source.ts'
export { WorkloadApiClient } from './workload-api/client.ts'
export type {
  BundleSet,
  HintedJwtSvid,
  HintedX509Svid,
  JwtSvids,
  X509Context,
} from './workload-api/context.ts'
export { JwtSource, type JwtSourceFetchOptions } from './workload-api/jwt-source.ts'
export type {
  CallOptions,
  FetchJwtOptions,
  SourceOptions,
  SourceState,
  WatchOptions,
  WorkloadApiClientOptions,
} from './workload-api/options.ts'
export { X509Source, type X509SvidChoice } from './workload-api/x509-source.ts'

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
export { type JwtSvid, verifyJwtSvid } from './svid/jwt-svid.ts'
export { verifyX509Svid, type X509Svid, x509SvidFrom } from './svid/x509-svid.ts'
export { type Endpoint, parseEndpoint, resolveEndpoint } from './workload-api/endpoint.ts'
export type { HintedX509Svid, X509Context } from './workload-api/x509-context.ts'
export { X509Source, type X509SourceOptions } from './workload-api/x509-source.ts'

/** Access tokens for this process, by its own SVID, and requests to other services with them. */

export type { IdentitySource } from './mtls/identity-source.ts'
export type { IssuerEndpoints } from './oauth-client/endpoints.ts'
export {
  type Caller,
  type JwtClientOptions,
  type NextHop,
  OauthClient,
  type X509ClientOptions,
} from './oauth-client/oauth-client.ts'
export type { AccessToken } from './oauth-client/standing.ts'
export type { Access } from './resource-server/access-token.ts'
export type { RevocationFeed } from './revocation/feed-client.ts'

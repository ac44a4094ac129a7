import type { JwtAlgorithm } from '../../src/jwt/algorithm.ts'
import { assertionGrant } from './federated/assertion-grant.ts'
import { authMethods } from './spiffe-client-auth.ts'
import { tokenExchangeGrant } from './token-types.ts'

/** Below the issuer, which has no path of its own. */
export const paths = {
  metadata: '/.well-known/oauth-authorization-server',
  keys: '/oauth/jwks',
  token: '/oauth/token',
  legacy: '/oauth/legacy',
  introspection: '/oauth/introspect',
  revocation: '/oauth/revoke',
  feed: '/oauth/feed',
  acknowledge: '/oauth/feed/acknowledge',
  feedKeys: '/oauth/feed-keys',
} as const

/** RFC 8414 §2, with the names of RFC 8705 §3.3. JSON. */
export function metadataDocument(
  issuer: string,
  scopes: readonly string[],
  signing: JwtAlgorithm,
  takesAssertions: boolean,
): string {
  return JSON.stringify({
    issuer,
    token_endpoint: `${issuer}${paths.token}`,
    jwks_uri: `${issuer}${paths.keys}`,
    grant_types_supported: [
      ...['client_credentials', tokenExchangeGrant],
      ...(takesAssertions ? [assertionGrant] : []),
    ],
    // Required, and an array without elements has to be left out (§3.2): there is no authorization endpoint.
    response_types_supported: ['none'],
    token_endpoint_auth_methods_supported: authMethods,
    introspection_endpoint: `${issuer}${paths.introspection}`,
    introspection_endpoint_auth_methods_supported: authMethods,
    revocation_endpoint: `${issuer}${paths.revocation}`,
    revocation_endpoint_auth_methods_supported: authMethods,
    introspection_signing_alg_values_supported: [signing],
    tls_client_certificate_bound_access_tokens: true,
    scopes_supported: scopes,
  })
}

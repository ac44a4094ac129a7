import { CountersignError } from '../errors.ts'
import { isScope } from './access-check.ts'

/** What a service tells of itself. */
export interface ResourceDescription {
  /** The audience of its tokens, an https URL. */
  readonly resource: string
  readonly issuer: string
  readonly scopes: readonly string[]
  /** Whether it takes bound tokens alone. */
  readonly requireBound?: boolean
}

/** The document of RFC 9728, and where a client looks for it. */
export interface DescribedResource {
  /** Of `url`: what the service answers a GET with. */
  readonly path: string
  readonly url: string
  /** JSON, `application/json`. */
  readonly document: string
}

/** Throws `invalid`, `resource-description`. */
export function describeResource(description: ResourceDescription): DescribedResource {
  const { resource, issuer, scopes, requireBound = false } = description
  const parsed = URL.canParse(resource) ? new URL(resource) : undefined
  if (parsed?.protocol !== 'https:' || resource.includes('#') || !scopes.every(isScope)) {
    throw new CountersignError('invalid', 'a resource is an https URL and has sound scopes', {
      reason: 'resource-description',
      fix: 'name the service by an https URL without a fragment to be found by it',
    })
  }
  const { origin, pathname, search } = parsed
  // §3.1: the well-known part stands between the host and the path.
  const rest = pathname === '/' ? '' : pathname
  const path = `/.well-known/oauth-protected-resource${rest}${search}`
  const document = JSON.stringify({
    resource,
    authorization_servers: [issuer],
    scopes_supported: scopes,
    bearer_methods_supported: ['header'],
    tls_client_certificate_bound_access_tokens: requireBound,
  })
  return { path, url: `${origin}${path}`, document }
}

import type { Bundle } from '../../src/bundle/bundle.ts'
import { keySetDocument } from '../documents/key-set.ts'

/** What a key of ours may sign with; relying parties look for RS256 whether or not it is in use. */
const algorithms = ['RS256', 'ES256', 'ES384']

/** Where the documents are, below the issuer's own path. */
export function pathsOf(issuer: string): { readonly configuration: string; readonly keys: string } {
  const base = new URL(issuer).pathname.replace(/(?<!\/)\/+$/, '')
  return { configuration: `${base}/.well-known/openid-configuration`, keys: `${base}/keys` }
}

/** OpenID Connect Discovery 1.0 §3, as far as an issuer of workloads' tokens has something to say. JSON. */
export function configurationDocument(issuer: string): string {
  return JSON.stringify({
    issuer,
    jwks_uri: new URL(pathsOf(issuer).keys, issuer).href,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: algorithms,
  })
}

/** The keys that JWT-SVIDs of this trust domain are signed with, now or next, as RFC 7517 has them. JSON. */
export function keysDocument(bundle: Bundle): string {
  return keySetDocument(bundle.jwtAuthorities)
}

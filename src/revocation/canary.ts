import type { TokenClaims } from '../jwt/compact.ts'
import { canaryPath } from '../spiffe-id/reserved.ts'

/** The one scope of a canary: a token that the issuer mints to see how soon a service hears that it was revoked. */
export const canaryScope = 'countersign:canary'

/** Where a service says whether it would take a canary. */
export const selfTestPath = '/.well-known/countersign-self-test'

/** By scope or subject: one of them is enough for a token to open nothing. */
export function looksLikeCanary({ scope, sub, client_id: client }: TokenClaims): boolean {
  const scopes = typeof scope === 'string' ? scope.split(' ') : []
  return scopes.includes(canaryScope) || isCanaryId(sub) || isCanaryId(client)
}

/** By scope and subject alike. */
export function isCanary({ scope, sub, client_id: client }: TokenClaims): boolean {
  return scope === canaryScope && isCanaryId(sub) && client === sub
}

const scheme = 'spiffe://'

/** Without parsing it: this is asked of each token. */
function isCanaryId(id: unknown): boolean {
  if (typeof id !== 'string' || !id.startsWith(scheme)) return false
  return id.endsWith(canaryPath) && id.indexOf('/', scheme.length) === id.length - canaryPath.length
}

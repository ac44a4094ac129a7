import { CountersignError } from '../errors.ts'
import { bearerOf } from '../middleware/bearer.ts'
import type { Wanted } from '../middleware/refusal.ts'
import { canaryScope } from '../revocation/canary.ts'
import type { Access } from './access-token.ts'
import type { WhenUnknown } from './standing-check.ts'
import type { Verifier } from './verifier.ts'

/** What a request has to bring. */
export interface RequireAccessTokenOptions {
  readonly verifier: Verifier
  /** What the token must allow, each of them. There is no default; `[]` lets in any token for this service. */
  readonly scopes: readonly string[]
  /** What is done while nobody can say whether the token was revoked: `deny` unless told. */
  readonly whenUnknown?: WhenUnknown
  /** `url` of `describeResource`: who is refused is told where to read how to ask. */
  readonly resourceMetadata?: string
}

/** All `authorization` headers of a request, and the certificate, DER, that its connection has proved. */
export type AccessCheck = (
  authorizations: readonly string[],
  certificate: Uint8Array | undefined,
) => Promise<Access>

/**
 * Rejects as `verifier` does, and with `unauthenticated` `token-missing`, `invalid` `token-repeated`, `forbidden`
 * `token-scope`. Throws `invalid`: `scope-unsound`, `resource-metadata`.
 */
export function accessCheck(options: RequireAccessTokenOptions): {
  readonly check: AccessCheck
  readonly wanted: Wanted
} {
  const { verifier, scopes, whenUnknown, resourceMetadata } = options
  if (scopes.some(opensNothing)) {
    throw new CountersignError('invalid', 'this scope is of canaries, which open nothing', {
      reason: 'scope-unsound',
    })
  }
  if (!scopes.every(isScope)) {
    throw new CountersignError('invalid', 'a scope has neither blanks nor quotes', {
      reason: 'scope-unsound',
    })
  }
  if (
    resourceMetadata !== undefined &&
    !/^https:\/\/[\x21\x23-\x5b\x5d-\x7e]+$/.test(resourceMetadata)
  ) {
    throw new CountersignError('invalid', 'the metadata of a resource is at an https URL', {
      reason: 'resource-metadata',
      fix: 'give `resourceMetadata` the `url` of describeResource',
    })
  }
  return {
    wanted: { scope: scopes.join(' '), resourceMetadata },
    async check(authorizations, certificate) {
      const token = bearerOf(authorizations, 'an access token')
      const access = await verifier.verify(token, { certificate, whenUnknown })
      if (scopes.every((scope) => access.scopes.has(scope))) return access
      throw new CountersignError('forbidden', 'the token does not allow this', {
        reason: 'token-scope',
      })
    },
  }
}

/** RFC 6749 §3.3. */
export function isScope(text: string): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(text)
}

/** It is that of canaries. */
export function opensNothing(scope: string): boolean {
  return scope === canaryScope
}

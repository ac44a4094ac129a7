import { CountersignError } from '../../../src/errors.ts'
import type { Form } from '../form.ts'

/*
 * RFC 7523 §2.1: a token of another issuer as the grant itself, for clients that know this and not token exchange, and as
 * draft-ietf-oauth-identity-chaining has a client come from the authorization server of another domain.
 */

export const assertionGrant = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

export function isAssertionGrant(form: Form | undefined): boolean {
  return form?.get('grant_type') === assertionGrant
}

/** Throws `invalid` `request-assertion-missing`. */
export function assertionOf(form: Form): string {
  const assertion = form.get('assertion')
  if (assertion !== undefined) return assertion
  throw new CountersignError('invalid', 'assertion is missing', {
    reason: 'request-assertion-missing',
  })
}

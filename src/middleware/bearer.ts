import { CountersignError } from '../errors.ts'

/**
 * The token in all `authorization` headers of a request. RFC 6750 §2.1: `Bearer` in any case, blanks, and a
 * token, in which there is no comma. Throws `unauthenticated` `token-missing`, `invalid` `token-repeated`.
 */
export function bearerOf(
  authorizations: readonly string[],
  kind: 'a JWT-SVID' | 'an access token',
): string {
  const [value = ''] = authorizations
  const end = value.indexOf(' ')
  const scheme = end < 0 ? value : value.slice(0, end)
  if (scheme.toLowerCase() !== 'bearer') {
    throw new CountersignError('unauthenticated', `the request does not bring ${kind}`, {
      reason: 'token-missing',
      fix: `send \`authorization: Bearer\` and ${kind} for the audience of this service`,
    })
  }
  // Where headers of one name come joined, there is a comma between them.
  if (authorizations.length > 1 || value.includes(',')) {
    throw new CountersignError('invalid', 'the request brings more than one token', {
      reason: 'token-repeated',
    })
  }
  return value.slice(scheme.length).trim()
}

import { hash } from 'node:crypto'

/** A token that is to be had. */
export interface TokenRequest {
  /** RFC 8707: whom it is for. */
  readonly resource: string
  /** One or more, separated by blanks. */
  readonly scope: string
  /** The access token that came with the request for which this is (RFC 8693); undefined: none did. */
  readonly subjectToken: string | undefined
}

/** Says all that the request does, but not the token. */
export function keyOf({ resource, scope, subjectToken }: TokenRequest): string {
  const subject = subjectToken === undefined ? '' : hash('sha256', subjectToken, 'base64url')
  return JSON.stringify([subject, resource, scope])
}

export function formOf({ resource, scope, subjectToken }: TokenRequest): Record<string, string> {
  const wish = { resource, scope }
  if (subjectToken === undefined) return { grant_type: 'client_credentials', ...wish }
  return {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subjectToken,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    ...wish,
  }
}

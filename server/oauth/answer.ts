import type { CountersignError } from '../../src/errors.ts'
import { isAssertionGrant } from './federated/assertion-grant.ts'
import type { Form } from './form.ts'
import { type Minded, PolicyRefusal } from './policy-refusal.ts'

export interface OauthAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const noStore = {
  'content-type': 'application/json',
  'cache-control': 'no-store',
  pragma: 'no-cache',
  'x-content-type-options': 'nosniff',
}

/** By the first word of a reason (RFC 6749 §5.2, RFC 8707 §2, RFC 8693 §2.2.2). */
const errors: ReadonlyMap<string, string> = new Map([
  ['request', 'invalid_request'],
  ['client', 'invalid_request'],
  ['bundle', 'invalid_request'],
  ['subject', 'invalid_request'],
  ['token', 'invalid_request'],
  ['grant', 'unsupported_grant_type'],
  ['target', 'invalid_target'],
  // A rule that does not give this: the client may not use this grant for it.
  ['policy', 'unauthorized_client'],
  ['scope', 'invalid_scope'],
  ['feed', 'access_denied'],
  ['ssf', 'access_denied'],
])

/** Of a token that is another's RFC 7009 says but that the client is told. */
const ofPolicy: Readonly<Record<Minded, string>> = {
  scope: 'invalid_scope',
  target: 'invalid_target',
  revocation: 'unauthorized_client',
}

const ofToken: ReadonlySet<string> = new Set(['subject', 'token'])

const statuses: ReadonlyMap<string, number> = new Map([
  // SSF 1.0 §8.1.4.2.
  ['ssf-verified-lately', 429],
  ['request-too-large', 413],
  ['feed-not-served', 403],
  ['ssf-not-receiver', 403],
  ['feed-stream-unknown', 404],
])

export function answerOf(
  body: Readonly<Record<string, unknown>> | readonly unknown[],
): OauthAnswer {
  return { status: 200, headers: noStore, body: JSON.stringify(body) }
}

/** RFC 6749 §5.1. `token`: a JWT, by far the longest of it, which JSON writes as it is. */
export function tokenAnswerOf(token: string, more: Readonly<Record<string, unknown>>): OauthAnswer {
  const body = `{"access_token":"${token}",${JSON.stringify(more).slice(1)}`
  return { status: 200, headers: noStore, body }
}

/** RFC 9701 §5. */
export function jwtAnswerOf(type: string, jwt: string): OauthAnswer {
  return { status: 200, headers: { ...noStore, 'content-type': type }, body: jwt }
}

/**
 * What a refused request is told: of a client that has not proved itself no more than that; what it was is in the
 * audit trail. `form`: of the request, as far as it was read.
 */
export function refusalOf(error: CountersignError, form?: Form): OauthAnswer {
  const { code, reason, message, retryAfterMs } = error
  if (code === 'unauthenticated') {
    const basic = reason === 'client-header' ? { 'www-authenticate': 'Basic realm="oauth"' } : {}
    return refused(401, 'invalid_client', 'client authentication failed', basic)
  }
  const [word = ''] = reason.split('-')
  const name = error instanceof PolicyRefusal ? ofPolicy[error.minded] : nameOf(word, form)
  if ((code === 'invalid' || code === 'forbidden') && name !== undefined) {
    return refused(statuses.get(reason) ?? 400, name, message)
  }
  if (code === 'unavailable' || code === 'exhausted') {
    const retryAfter = String(Math.ceil((retryAfterMs ?? 1000) / 1000))
    const status = statuses.get(reason) ?? 503
    return refused(status, 'temporarily_unavailable', message, { 'retry-after': retryAfter })
  }
  return refused(500, 'server_error', 'internal error')
}

function nameOf(word: string, form: Form | undefined): string | undefined {
  // RFC 7523 §3.1: where the token is the grant, it is the grant that is not good.
  return ofToken.has(word) && isAssertionGrant(form) ? 'invalid_grant' : errors.get(word)
}

function refused(
  status: number,
  error: string,
  description: string,
  headers: Readonly<Record<string, string>> = {},
): OauthAnswer {
  const body = JSON.stringify({ error, error_description: description })
  return { status, headers: { ...noStore, ...headers }, body }
}

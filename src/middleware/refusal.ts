import { CountersignError } from '../errors.ts'

/** The answer to a request that is not let in. */
export interface Refusal {
  readonly status: 400 | 401 | 403
  readonly headers: Readonly<Record<string, string>>
  /** JSON: `{"code","reason","message"}`, of a `CountersignError`. */
  readonly body: string
}

const statuses = { invalid: 400, unauthenticated: 401, forbidden: 403 } as const

/**
 * RFC 6750 §3. `scope` is what the request would have needed. Throws the error itself where it is no refusal but a
 * fault of this side.
 */
export function refusalOf(error: unknown, scope?: string): Refusal {
  if (!(error instanceof CountersignError) || !isRefusal(error.code)) throw error
  const { code, reason, message } = error
  const challenge = challenges[code](reason, scope)
  return {
    status: statuses[code],
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...(challenge !== undefined && { 'www-authenticate': challenge }),
    },
    body: JSON.stringify({ code, reason, message }),
  }
}

function isRefusal(code: string): code is keyof typeof statuses {
  return Object.hasOwn(statuses, code)
}

const challenges = {
  invalid: () => 'Bearer error="invalid_request"',
  // Whoever sent no token is told of the scheme, and of no error (§3.1).
  unauthenticated: (reason: string) =>
    reason === 'token-missing' ? 'Bearer' : 'Bearer error="invalid_token"',
  // Where there are no scopes, another token would not help.
  forbidden: (_reason: string, scope?: string) =>
    scope === undefined ? undefined : `Bearer error="insufficient_scope", scope="${scope}"`,
}

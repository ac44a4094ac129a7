import { CountersignError } from '../errors.ts'

/** The answer to a request that is not let in. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 503
  readonly headers: Readonly<Record<string, string>>
  /** JSON: `{"code","reason","message"}`, of a `CountersignError`. */
  readonly body: string
}

/** What a challenge tells of the way in. */
export interface Wanted {
  /** What the request would have needed, separated by blanks. */
  readonly scope?: string
  /** Where the document of RFC 9728 is. */
  readonly resourceMetadata?: string | undefined
}

const statuses = { invalid: 400, unauthenticated: 401, forbidden: 403, unavailable: 503 } as const
const retryAfterMs = 5000

/**
 * RFC 6750 §3. Throws the error itself where it is no refusal but a fault of this side; what is `unavailable` for now
 * is none.
 */
export function refusalOf(error: unknown, wanted: Wanted = {}): Refusal {
  if (!(error instanceof CountersignError) || !isRefusal(error.code)) throw error
  const { code, reason, message } = error
  const challenge = challenges[code](reason, wanted)
  return {
    status: statuses[code],
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...(challenge !== undefined && { 'www-authenticate': challenge }),
      ...(code === 'unavailable' && {
        'retry-after': String(Math.ceil((error.retryAfterMs ?? retryAfterMs) / 1000)),
      }),
    },
    body: JSON.stringify({ code, reason, message }),
  }
}

function isRefusal(code: string): code is keyof typeof statuses {
  return Object.hasOwn(statuses, code)
}

const challenges = {
  invalid: (_reason: string, wanted: Wanted) => bearer(wanted, 'invalid_request'),
  // Whoever sent no token is told of the scheme, and of no error (§3.1).
  unauthenticated: (reason: string, wanted: Wanted) =>
    bearer(wanted, reason === 'token-missing' ? undefined : 'invalid_token'),
  // Where there are no scopes, another token would not help.
  forbidden: (_reason: string, wanted: Wanted) =>
    wanted.scope === undefined ? undefined : bearer(wanted, 'insufficient_scope', wanted.scope),
  unavailable: () => undefined,
}

function bearer({ resourceMetadata }: Wanted, error?: string, scope?: string): string {
  const parameters = Object.entries({ error, scope, resource_metadata: resourceMetadata })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}="${value}"`)
  return ['Bearer', parameters.join(', ')].filter((part) => part !== '').join(' ')
}

import { CountersignError, type ErrorCode } from '../../../src/errors.ts'

/** What a caller gets in place of a vendor's answer. */
export interface BrokerRefusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** `{"code","reason","message"}` */
  readonly body: string
}

const statuses: Readonly<Partial<Record<ErrorCode, number>>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  exhausted: 429,
  deadline: 504,
}

/** Statuses that say more than the class of the error does. */
const ofReason: Readonly<Record<string, number>> = {
  'body-too-large': 413,
  'caller-slow': 408,
  'target-too-large': 414,
  'head-too-large': 431,
  'method-not-allowed': 405,
}

/**
 * The header tells it from an answer of the vendor's own, which never has it. Anything but a `CountersignError` is a
 * fault of this side, of which the caller learns nothing.
 */
export function refusalFor(error: unknown): BrokerRefusal {
  if (!(error instanceof CountersignError) || error.code === 'internal') {
    return answer(500, { code: 'internal', reason: 'internal', message: 'internal error' })
  }
  const { code, reason, message, retryAfterMs } = error
  const vendor = reason.startsWith('vendor-')
  const status = ofReason[reason] ?? statuses[code] ?? (vendor ? 502 : 503)
  const refusal = answer(status, { code, reason, message })
  return {
    ...refusal,
    headers: {
      ...refusal.headers,
      ...(retryAfterMs !== undefined && { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }),
      ...(status === 401 && {
        'www-authenticate': reason === 'token-missing' ? 'Bearer' : 'Bearer error="invalid_token"',
      }),
    },
  }
}

function answer(
  status: number,
  said: { readonly code: string; readonly reason: string; readonly message: string },
): BrokerRefusal {
  return {
    status,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'countersign-refusal': said.reason,
    },
    body: JSON.stringify(said),
  }
}

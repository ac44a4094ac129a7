import { CountersignError } from '../errors.ts'
import { parseJsonObject } from '../jwt/strict-json.ts'
import { type IssuerAnswer, unavailable } from './issuer-https.ts'

const maxRetryAfterSeconds = 3600
const maxTokenBytes = 8192

/** What an authorization server gave (RFC 6749 §5.1). */
export interface GivenToken {
  readonly token: string
  readonly expiresInSeconds: number
}

/**
 * Throws `unauthenticated` `client-refused`, where the server does not know this client; `forbidden` `token-refused`,
 * where it may not have this token; `unavailable` `issuer-unavailable`; `invalid` `issuer-answer`, where the answer is none.
 */
export function readTokenAnswer(answer: IssuerAnswer): GivenToken {
  const members = membersOf(answer)
  const { access_token: token, token_type: type, expires_in: expiresInSeconds } = members
  const isToken =
    typeof token === 'string' && token.length <= maxTokenBytes && /^[\x21-\x7e]+$/.test(token)
  const isBearer = typeof type === 'string' && type.toLowerCase() === 'bearer'
  if (!isToken || !isBearer || typeof expiresInSeconds !== 'number' || !(expiresInSeconds > 0)) {
    return unsound()
  }
  return { token, expiresInSeconds }
}

/** RFC 7662 §2.2. Throws as `readTokenAnswer`. */
export function readActive(answer: IssuerAnswer): boolean {
  const { active } = membersOf(answer)
  return typeof active === 'boolean' ? active : unsound()
}

/** RFC 7517 §5, as it is. Throws as `readTokenAnswer`. */
export function readDocument({ status, body }: IssuerAnswer): string {
  if (status === 200) return body
  throw unavailable(`status ${status}`)
}

function membersOf(answer: IssuerAnswer): Readonly<Record<string, unknown>> {
  const { status, retryAfter } = answer
  if (status === 429 || status >= 500) {
    const seconds = Number(retryAfter)
    const known = seconds > 0 && seconds <= maxRetryAfterSeconds
    throw unavailable(`status ${status}`, known ? seconds * 1000 : undefined)
  }
  let members: Readonly<Record<string, unknown>>
  try {
    members = parseJsonObject(answer.body).members
  } catch {
    return unsound()
  }
  if (status === 200) return members
  return refused(members['error'])
}

/** The words of RFC 6749 §5.2 and RFC 8707: what else is said may be anything, and is not told on. */
function refused(error: unknown): never {
  const word = typeof error === 'string' && /^[a-z_]{1,64}$/.test(error) ? error : 'no reason'
  if (word === 'invalid_client') {
    throw new CountersignError(
      'unauthenticated',
      'the authorization server does not take this client',
      {
        reason: 'client-refused',
        fix: 'look into its audit trail: an SVID without an entry, and another issuer than it names itself, are refused so',
      },
    )
  }
  throw new CountersignError('forbidden', `the authorization server refuses: ${word}`, {
    reason: 'token-refused',
    fix: 'its audit trail says why; `invalid_target` and `invalid_scope` are also what a policy does not permit',
  })
}

function unsound(): never {
  throw new CountersignError(
    'invalid',
    'what the authorization server answers is no sound answer',
    {
      reason: 'issuer-answer',
    },
  )
}

import { CountersignError } from '../../src/errors.ts'
import type { Form } from './form.ts'
import type { ClientProof } from './spiffe-client-auth.ts'
import { tokenExchangeGrant, tokenTypes } from './token-types.ts'

const jwtTypes: ReadonlySet<string | undefined> = new Set([tokenTypes.jwt, tokenTypes.idToken])

/** Whether an exchange shows a JWT that is its own proof: an SVID, or a token of another issuer. */
export function showsJwt(form: Form): boolean {
  return (
    form.get('grant_type') === tokenExchangeGrant && jwtTypes.has(form.get('subject_token_type'))
  )
}

/** RFC 8693 §2.1. Throws `invalid` `request-subject-missing`. */
export function subjectTokenOf(form: Form): string {
  return form.get('subject_token') ?? refuse('request-subject-missing', 'subject_token is missing')
}

/** Throws `invalid`: `request-two-mechanisms`, `request-actor-token`. */
export function checkShownAlone({ form, authorization, chain }: ClientProof): void {
  const proofs = ['client_assertion', 'client_assertion_type', 'client_secret']
  if (authorization !== undefined || chain.length > 0 || proofs.some((name) => form.has(name))) {
    refuse('request-two-mechanisms', 'a JWT that is its own proof is shown alone')
  }
  if (form.has('actor_token') || form.has('actor_token_type')) {
    refuse('request-actor-token', 'who shows such a subject_token acts for nobody else')
  }
}

/** Throws `invalid` `request-requested-type`. */
export function checkAsksForAccessToken(form: Form): void {
  if ((form.get('requested_token_type') ?? tokenTypes.accessToken) === tokenTypes.accessToken)
    return
  refuse('request-requested-type', `the one requested_token_type is ${tokenTypes.accessToken}`)
}

/** RFC 8693 §2.2.2: a subject token that is not good is an invalid request, and not an unknown client. */
export async function readSubject<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (cause) {
    if (!(cause instanceof CountersignError) || cause.code !== 'unauthenticated') throw cause
    const { reason } = cause
    throw new CountersignError('invalid', 'the subject token is not good', { reason, cause })
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}

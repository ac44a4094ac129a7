import { CountersignError } from '../../../src/errors.ts'
import type { Form } from '../form.ts'
import type { UseOnce } from '../single-use.ts'
import type { Client, ClientProof } from '../spiffe-client-auth.ts'
import { tokenExchangeGrant, tokenTypes } from '../token-types.ts'
import type { Federated, FederatedAuthenticator } from './federated.ts'
import { SubjectRefusal } from './subject-refusal.ts'

const subjectTypes: ReadonlySet<string | undefined> = new Set([tokenTypes.jwt, tokenTypes.idToken])

/** Whether the request shows a token of another issuer in place of a proof of this trust domain's. */
export function showsForeignToken(form: Form): boolean {
  return (
    form.get('grant_type') === tokenExchangeGrant &&
    subjectTypes.has(form.get('subject_token_type'))
  )
}

/**
 * The client of an exchange (RFC 8693 §2.1) of a foreign token: that token is all the proof there is. Throws
 * `invalid`: `request-two-mechanisms`, `request-actor-token`, `request-subject-missing`, and as
 * `FederatedAuthenticator`; `unauthenticated` `client-id`.
 */
export async function authenticateForeign(
  { form, authorization, chain }: ClientProof,
  authenticate: FederatedAuthenticator,
): Promise<Client> {
  const proofs = ['client_assertion', 'client_assertion_type', 'client_secret']
  if (authorization !== undefined || chain.length > 0 || proofs.some((name) => form.has(name))) {
    refuse('request-two-mechanisms', 'a token of another issuer is shown alone')
  }
  if (form.has('actor_token') || form.has('actor_token_type')) {
    refuse('request-actor-token', 'who shows a token of another issuer acts for nobody else')
  }
  const subjectToken = form.get('subject_token')
  if (subjectToken === undefined) {
    return refuse('request-subject-missing', 'subject_token is missing')
  }
  const federated = await authenticate(subjectToken)
  const { spiffeId, token } = federated
  if ((form.get('client_id') ?? spiffeId) !== spiffeId) {
    throw new CountersignError('unauthenticated', 'client_id is not the ID of the rule', {
      reason: 'client-id',
    })
  }
  const { issuedAt, expiresAt } = token
  return { spiffeId, method: 'oidc', issuedAt, expiresAt, federated }
}

/**
 * To be called last before something is issued: what is refused may be asked for again, in another way. Throws
 * `invalid` `subject-replayed`.
 */
export async function useUp({ token }: Federated, useOnce: UseOnce): Promise<void> {
  const { issuer, jti, expiresAt } = token
  if (!issuer.singleUse) return
  if (jti === undefined || !(await useOnce({ issuer: issuer.issuer, jti, expiresAt }))) {
    throw new SubjectRefusal('subject-replayed', token)
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}

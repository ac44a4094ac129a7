import { CountersignError } from '../../../src/errors.ts'
import type { UseOnce } from '../single-use.ts'
import { type Client, type ClientProof, checkClientId } from '../spiffe-client-auth.ts'
import { checkShownAlone, subjectTokenOf } from '../subject-token.ts'
import { assertionOf, isAssertionGrant } from './assertion-grant.ts'
import type { Federated, FederatedAuthenticator } from './federated.ts'
import type { Issuable } from './rules.ts'
import { SubjectRefusal } from './subject-refusal.ts'

/**
 * The client of an exchange (RFC 8693 §2.1) of a foreign token, or of an assertion grant: that token is all the proof
 * there is. Throws as `checkShownAlone`, `subjectTokenOf`, `assertionOf` and `FederatedAuthenticator`, and `unauthenticated`
 * `client-id`.
 */
export async function authenticateForeign(
  proof: ClientProof,
  deps: Pick<FederatedAuthenticator, 'authenticate'>,
): Promise<Client> {
  checkShownAlone(proof)
  const { form } = proof
  const shown = isAssertionGrant(form) ? assertionOf(form) : subjectTokenOf(form)
  const federated = await deps.authenticate(shown)
  const { spiffeId, token } = federated
  checkClientId(form.get('client_id') ?? spiffeId, spiffeId)
  const { issuedAt, expiresAt } = token
  return { spiffeId, method: 'oidc', issuedAt, expiresAt, federated }
}

/**
 * Issues something for a foreign token, which is used up last before that: what is refused may be asked for again, in another
 * way. Of any number of requests with one token that is good once, one comes this far at a time; where it then gets
 * nothing after all, the token is given back. What was issued while its rule went does not leave. Throws `invalid`
 * `subject-replayed`, `forbidden` `policy-rule`, and as `issue`.
 */
export async function issueOnce<T>(
  federated: Federated,
  what: Issuable,
  useOnce: UseOnce,
  issueIt: () => Promise<T>,
): Promise<T> {
  const { token } = federated
  const { issuer, jti, expiresAt } = token
  const issue = async (): Promise<T> => {
    const issued = await issueIt()
    checkGives(federated, what)
    return issued
  }
  if (!issuer.singleUse) return issue()
  const used = jti === undefined ? jti : await useOnce({ issuer: issuer.issuer, jti, expiresAt })
  if (used === undefined) throw new SubjectRefusal('subject-replayed', token)
  try {
    return await issue()
  } catch (error) {
    // Where the store takes nothing, it stays used up, and what went wrong is told.
    await used.giveBack().catch(() => {})
    throw error
  }
}

/** By the rules of this moment. Throws `forbidden` `policy-rule`. */
export function checkGives(federated: Pick<Federated, 'gives'>, what: Issuable): void {
  if (federated.gives(what)) return
  throw new CountersignError('forbidden', 'the rule does not give tokens of this type', {
    reason: 'policy-rule',
  })
}

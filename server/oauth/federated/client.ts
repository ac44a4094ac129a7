import type { UseOnce } from '../single-use.ts'
import { type Client, type ClientProof, checkClientId } from '../spiffe-client-auth.ts'
import { checkShownAlone, subjectTokenOf } from '../subject-token.ts'
import type { Federated, FederatedAuthenticator } from './federated.ts'
import { SubjectRefusal } from './subject-refusal.ts'

/**
 * The client of an exchange (RFC 8693 §2.1) of a foreign token: that token is all the proof there is. Throws as
 * `checkShownAlone`, `subjectTokenOf` and `FederatedAuthenticator`, and `unauthenticated` `client-id`.
 */
export async function authenticateForeign(
  proof: ClientProof,
  deps: Pick<FederatedAuthenticator, 'authenticate'>,
): Promise<Client> {
  checkShownAlone(proof)
  const federated = await deps.authenticate(subjectTokenOf(proof.form))
  const { spiffeId, token } = federated
  checkClientId(proof.form.get('client_id') ?? spiffeId, spiffeId)
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

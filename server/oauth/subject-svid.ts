import { CountersignError } from '../../src/errors.ts'
import { readCompact } from '../../src/jwt/compact.ts'
import type { Form } from './form.ts'
import {
  type Client,
  type ClientAuthDeps,
  type ClientProof,
  checkClientId,
  clientOfSvid,
} from './spiffe-client-auth.ts'
import {
  checkAsksForAccessToken,
  checkShownAlone,
  readSubject,
  subjectTokenOf,
} from './subject-token.ts'
import { tokenTypes } from './token-types.ts'

/*
 * A client’s own JWT-SVID as the subject token of an exchange (RFC 8693), for clients that know no other grant: it
 * proves the client as a client assertion does, and buys what client_credentials would.
 */

/** Whether the subject token claims to be a JWT-SVID, and not one of a listed issuer; nothing of it is verified. */
export function claimsToBeSvid(form: Form, isListed: (issuer: unknown) => boolean): boolean {
  try {
    const { sub, ...claims } = readCompact(form.get('subject_token') ?? '').claims
    return typeof sub === 'string' && sub.startsWith('spiffe://') && !isListed(claims['iss'])
  } catch (error) {
    if (error instanceof CountersignError) return false
    throw error
  }
}

/**
 * Throws `invalid`: as `checkShownAlone` and `subjectTokenOf`, `request-subject-type`, `request-requested-type`,
 * `token-…` as `verifyJwtSvid`, `client-audience`; `unauthenticated` `client-id`.
 */
export async function authenticateBySubject(
  proof: ClientProof,
  deps: ClientAuthDeps,
): Promise<Client> {
  const { form } = proof
  checkShownAlone(proof)
  if (form.get('subject_token_type') !== tokenTypes.jwt) {
    refuse('request-subject-type', `a JWT-SVID is of the type ${tokenTypes.jwt}`)
  }
  checkAsksForAccessToken(form)
  const client = await readSubject(clientOfSvid(subjectTokenOf(form), deps))
  checkClientId(form.get('client_id') ?? client.spiffeId, client.spiffeId)
  return client
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}

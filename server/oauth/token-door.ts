import { randomUUID } from 'node:crypto'
import { CountersignError } from '../../src/errors.ts'
import type { OauthAnswer } from './answer.ts'
import {
  type ClientDoor,
  type ClientDoorDeps,
  type ClientRequest,
  createClientDoor,
} from './client-door.ts'
import { type ExchangeDeps, exchangeToken } from './exchange.ts'
import { isAssertionGrant } from './federated/assertion-grant.ts'
import { authenticateForeign } from './federated/client.ts'
import type { FederatedAuthenticator } from './federated/federated.ts'
import { issueSvid, requestedOf, type SvidDeps } from './federated/issue-svid.ts'
import { type IssueDeps, issueToken } from './issue-token.ts'
import { authenticateClient } from './spiffe-client-auth.ts'
import { authenticateBySubject, claimsToBeSvid } from './subject-svid.ts'
import { showsJwt } from './subject-token.ts'
import { decideAll, readWish } from './token.ts'
import { tokenExchangeGrant } from './token-types.ts'

export interface TokenDoorDeps
  extends Omit<ClientDoorDeps, 'settings' | 'revocations'>,
    Omit<ExchangeDeps, 'ca'> {
  readonly ca: ExchangeDeps['ca'] & SvidDeps['ca']
  /** For tokens of other issuers; undefined where there are none. */
  readonly federated?: Pick<FederatedAuthenticator, 'knows' | 'authenticate'> | undefined
}

type Grant = (request: ClientRequest, deps: ExchangeDeps) => Promise<OauthAnswer>

const grants: ReadonlyMap<string, Grant> = new Map([
  ['client_credentials', clientCredentials],
  [tokenExchangeGrant, exchangeToken],
])

/** Where clients ask for tokens (RFC 6749 §3.2). */
export function createTokenDoor(deps: TokenDoorDeps): ClientDoor {
  const answer = (request: ClientRequest): Promise<OauthAnswer> => {
    const { federated } = request.client
    if (federated === undefined) {
      return showsJwt(request.form)
        ? clientCredentials(request, deps)
        : grantOf(request)(request, deps)
    }
    const kind = requestedOf(request.form, federated)
    return kind === 'access_token'
      ? clientCredentials(request, deps)
      : issueSvid(kind, request, federated, deps)
  }
  return createClientDoor('token', deps, answer, (proof, auth) => {
    const { form } = proof
    const { federated } = deps
    if (isAssertionGrant(form)) {
      return federated === undefined ? noSuchGrant() : authenticateForeign(proof, federated)
    }
    if (!showsJwt(form)) return authenticateClient(proof, auth)
    return federated === undefined || claimsToBeSvid(form, (issuer) => federated.knows(issuer))
      ? authenticateBySubject(proof, auth)
      : authenticateForeign(proof, federated)
  })
}

/** Throws `invalid`: `request-grant-missing`, `grant-unsupported`. */
function grantOf({ form }: ClientRequest): Grant {
  const said = form.get('grant_type')
  if (said === undefined) return refuse('request-grant-missing', 'grant_type is missing')
  return grants.get(said) ?? noSuchGrant()
}

function noSuchGrant(): never {
  return refuse('grant-unsupported', 'the grants are client_credentials and token exchange')
}

/** RFC 6749 §4.4: what is it after, and may it. */
function clientCredentials(request: ClientRequest, deps: IssueDeps): Promise<OauthAnswer> {
  const { address, form, client, entries } = request
  const { resource, scopes } = readWish(form, deps.settings.resources, client)
  const decidedBy = decideAll(entries, deps.policies, (entry) => ({
    ...{ action: 'issueToken', entry, resource, scopes, address },
    ...{ ttlSeconds: resource.maxTtlSeconds, auth: client.method },
  }))
  const grant = { resource, scopes, decidedBy, txn: randomUUID(), notAfter: client.expiresAt }
  return issueToken(request, grant, deps)
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}

import { randomUUID } from 'node:crypto'
import type { Ca } from '../ca/ca.ts'
import type { Policies } from '../policy/policies.ts'
import { answerOf, type OauthAnswer } from './answer.ts'
import {
  actorOf,
  type ClientDoor,
  type ClientDoorDeps,
  type ClientRequest,
  createClientDoor,
} from './client-door.ts'
import {
  authenticateForeign,
  federatedRecord,
  showsForeignToken,
  useUp,
} from './federated/client.ts'
import type { FederatedAuthenticator } from './federated/federated.ts'
import { issueSvid, requestedOf } from './federated/issue-svid.ts'
import type { IssuedTokens } from './issued-tokens.ts'
import type { OauthSettings } from './settings.ts'
import { authenticateClient } from './spiffe-client-auth.ts'
import { checkGrant, claimsOf, decideAll, readWish } from './token.ts'
import { tokenTypes } from './token-types.ts'

export interface TokenDoorDeps extends ClientDoorDeps {
  readonly settings: Pick<OauthSettings, 'issuer' | 'resources'>
  readonly ca: Pick<Ca, 'issueAccessToken' | 'issueJwt' | 'issueX509'>
  /** For tokens of other issuers; undefined where there are none. */
  readonly federated?: FederatedAuthenticator | undefined
  readonly policies: Pick<Policies, 'decide' | 'revision'>
  readonly issued: Pick<IssuedTokens, 'ready' | 'note'>
}

/** Where clients ask for tokens (RFC 6749 §3.2). */
export function createTokenDoor(deps: TokenDoorDeps): ClientDoor {
  const answer = async (request: ClientRequest): Promise<OauthAnswer> => {
    const { form, client } = request
    const { federated } = client
    if (federated === undefined) {
      checkGrant(form)
      return issue(request, deps)
    }
    const kind = requestedOf(form, federated)
    return kind === 'access_token'
      ? issue(request, deps)
      : issueSvid(kind, request, federated, deps)
  }
  return createClientDoor('token', deps, answer, (proof, auth) =>
    deps.federated !== undefined && showsForeignToken(proof.form)
      ? authenticateForeign(proof, deps.federated)
      : authenticateClient(proof, auth),
  )
}

/** What is it after, may it: then the token, which is on record before it leaves. */
async function issue(request: ClientRequest, deps: TokenDoorDeps): Promise<OauthAnswer> {
  const { address, trace, form, client, entries } = request
  const { settings, ca, policies, issued } = deps
  const { federated } = client
  const [entry] = entries
  const wish = readWish(form, settings.resources, client)
  const decidedBy = decideAll(entries, wish, client, address, policies)
  const scope = wish.scopes.join(' ')
  const [jti, txn] = [randomUUID(), randomUUID()]
  issued.ready()
  if (federated !== undefined) await useUp(federated)
  const { token, issuedAt, expiresAt } = await ca.issueAccessToken({
    spiffeId: client.spiffeId,
    audience: wish.resource.id,
    jti,
    ttlSeconds: wish.resource.maxTtlSeconds,
    notAfter: client.expiresAt,
    claims: claimsOf(settings.issuer, { client, entry, scope, txn }),
    audit: {
      actor: actorOf(address, client),
      entryId: entry.id,
      owner: entry.owner,
      purpose: entry.purpose,
      transaction: txn,
      grant: form.get('grant_type'),
      scope: wish.scopes,
      confirmation: client.certificate?.thumbprint,
      policies: decidedBy,
      policyRevision: policies.revision,
      trace,
      ...(federated !== undefined && federatedRecord(federated)),
    },
  })
  issued.note({
    ...{ jti, txn, parent: undefined, entryId: entry.id, owner: entry.owner },
    ...{ subject: client.spiffeId, clientId: client.spiffeId, actors: [] },
    ...{ audience: wish.resource.id, scopes: wish.scopes, auth: client.method },
    ...{ issuedAt, expiresAt },
  })
  return answerOf({
    access_token: token,
    ...(federated !== undefined && { issued_token_type: tokenTypes.accessToken }),
    token_type: 'Bearer',
    expires_in: (expiresAt.getTime() - issuedAt.getTime()) / 1000,
    scope,
  })
}

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
import type { IssuedTokens } from './issued-tokens.ts'
import type { OauthSettings } from './settings.ts'
import { checkGrant, claimsOf, decideAll, readWish } from './token.ts'

export interface TokenDoorDeps extends ClientDoorDeps {
  readonly settings: Pick<OauthSettings, 'issuer' | 'resources'>
  readonly ca: Pick<Ca, 'issueAccessToken'>
  readonly policies: Pick<Policies, 'decide' | 'revision'>
  readonly issued: Pick<IssuedTokens, 'ready' | 'note'>
}

/** Where clients ask for tokens (RFC 6749 §3.2). */
export function createTokenDoor(deps: TokenDoorDeps): ClientDoor {
  return createClientDoor('token', deps, async (request) => {
    checkGrant(request.form)
    return issue(request, deps)
  })
}

/** What is it after, may it: then the token, which is on record before it leaves. */
async function issue(request: ClientRequest, deps: TokenDoorDeps): Promise<OauthAnswer> {
  const { address, trace, form, client, entries } = request
  const { settings, ca, policies, issued } = deps
  const [entry] = entries
  const wish = readWish(form, settings.resources, client)
  const decidedBy = decideAll(entries, wish, client, address, policies)
  const scope = wish.scopes.join(' ')
  const [jti, txn] = [randomUUID(), randomUUID()]
  issued.ready()
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
    token_type: 'Bearer',
    expires_in: (expiresAt.getTime() - issuedAt.getTime()) / 1000,
    scope,
  })
}

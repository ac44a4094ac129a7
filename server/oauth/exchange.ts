import { CountersignError } from '../../src/errors.ts'
import type { OauthAnswer } from './answer.ts'
import type { ClientRequest } from './client-door.ts'
import type { Form } from './form.ts'
import { type IssueDeps, issueToken } from './issue-token.ts'
import type { Resource } from './resource-settings.ts'
import type { ShownToken, TokenReader } from './shown-token.ts'
import type { Client } from './spiffe-client-auth.ts'
import { checkAsksForAccessToken, readSubject, subjectTokenOf } from './subject-token.ts'
import { decideAll, readWish, type Wish } from './token.ts'
import { tokenTypes } from './token-types.ts'

export interface ExchangeDeps extends IssueDeps {
  readonly tokens: TokenReader
}

/** More actors than this no token names. */
const maxActors = 8

/**
 * A token for another (RFC 8693): of whoever serves its resource one for the next hop, which names him as actor; of
 * whoever holds it a narrower one. Never wider, never longer. Throws `invalid`: `request-subject-missing`,
 * `request-subject-type`, `request-actor-token`, `request-requested-type`, `token-…` as the reader has it,
 * `subject-not-yours`, `subject-bound`, `subject-depth`, `subject-may-act`, `target-wider`, `scope-wider`, and as
 * `readWish`; `forbidden` `policy-…`.
 */
export async function exchangeToken(
  request: ClientRequest,
  deps: ExchangeDeps,
): Promise<OauthAnswer> {
  const { address, form, client, entries } = request
  const { resources } = deps.settings
  const from = await accessTokenShown(form, deps.tokens)
  request.known.forWhom = {
    ...{ spiffeId: from.subject, actors: from.actors, transaction: from.txn, parentJti: from.jti },
  }
  const wish = readWish(form, resources, client)
  const hop = isNextHop(from, wish, client, resources)
  const actors = hop ? [client.spiffeId, ...from.actors] : from.actors
  if (hop) checkActor(from, client, actors)
  else checkHolder(from, client)
  checkScopes(from, wish)
  const { resource, scopes } = wish
  const notAfter = new Date(Math.min(from.expiresAt.getTime(), client.expiresAt.getTime()))
  const decidedBy = decideAll(entries, deps.policies, (entry) => ({
    ...{ action: 'exchangeToken', entry, resource, scopes, address, auth: client.method },
    ...{ subject: from.subject, actors: from.actors, depth: actors.length },
    audience: from.audience,
    ttlSeconds: resource.maxTtlSeconds,
  }))
  // What restricts the next actor goes with a copy; at the next hop it has been heeded.
  const exchanged = { from, actors, mayAct: hop ? undefined : from.claims['may_act'] }
  return issueToken(request, { ...wish, decidedBy, txn: from.txn, notAfter, exchanged }, deps)
}

/** RFC 8693 §2.1. */
async function accessTokenShown(form: Form, tokens: TokenReader): Promise<ShownToken> {
  const token = subjectTokenOf(form)
  if (form.get('subject_token_type') !== tokenTypes.accessToken) {
    refuse('request-subject-type', `subject_token_type has to be ${tokenTypes.accessToken}`)
  }
  if (form.has('actor_token') || form.has('actor_token_type')) {
    refuse('request-actor-token', 'the actor is the client, by its own proof: send no actor_token')
  }
  checkAsksForAccessToken(form)
  return readSubject(tokens.read(token))
}

/** False: it is the holder's own, for the same resource. */
function isNextHop(
  from: ShownToken,
  { resource }: Wish,
  { spiffeId }: Client,
  resources: ReadonlyMap<string, Resource>,
): boolean {
  const isHolder = from.clientId === spiffeId
  if (isHolder && resource.id === from.audience) return false
  if (resources.get(from.audience)?.servedBy.has(spiffeId) === true) return true
  return isHolder
    ? refuse('target-wider', 'the token is for another resource: ask for one of your own')
    : refuse('subject-not-yours', 'the subject token is neither yours nor for you')
}

/** RFC 8693 §4.4: who may act, where the token says so. */
function checkActor({ claims }: ShownToken, client: Client, actors: readonly string[]): void {
  if (actors.length > maxActors)
    refuse('subject-depth', `a token names ${maxActors} actors at most`)
  const mayAct = claims['may_act']
  if (mayAct === undefined) return
  const { sub, iss } = (mayAct ?? {}) as { readonly sub?: unknown; readonly iss?: unknown }
  if (sub !== client.spiffeId || (iss !== undefined && iss !== claims['iss'])) {
    refuse('subject-may-act', 'the subject token is for another actor')
  }
}

/** A copy is as bound as the token: whoever has stolen that has not got its certificate. */
function checkHolder({ thumbprint }: ShownToken, { certificate }: Client): void {
  if (thumbprint === undefined || thumbprint === certificate?.thumbprint) return
  refuse('subject-bound', 'the subject token is bound: come with its certificate in TLS')
}

/** Each scope is one of the token, or stands for one of it by the `scope_map` of a resource that the token is not for. */
function checkScopes(from: ShownToken, { resource, scopes }: Wish): void {
  const has = new Set(from.scopes)
  const isOther = resource.id !== from.audience
  const isCovered = (scope: string): boolean => {
    const mapped = isOther ? resource.scopeMap.get(scope) : undefined
    return mapped === undefined ? has.has(scope) : mapped.some((one) => has.has(one))
  }
  if (!scopes.every(isCovered)) refuse('scope-wider', 'the subject token does not reach that far')
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}

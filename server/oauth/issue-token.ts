import type { Clock } from '../../src/runtime/clock.ts'
import { uuidV7 } from '../../src/runtime/uuid.ts'
import { isAgentId } from '../../src/spiffe-id/reserved.ts'
import type { Ca } from '../ca/ca.ts'
import type { Policies } from '../policy/policies.ts'
import { crossing } from '../revocation/crossing.ts'
import { claimsOfIssued } from '../revocation/good-tokens.ts'
import type { Revocations } from '../revocation/revocations.ts'
import { refuseBornDead } from '../revocation/svid-status.ts'
import type { IssuedToken } from '../store/issued-tokens.ts'
import { type OauthAnswer, tokenAnswerOf } from './answer.ts'
import { actorOf, type ClientDoorDeps, type ClientRequest, checkStanding } from './client-door.ts'
import { issueOnce } from './federated/client.ts'
import { subjectRecord } from './federated/subject-refusal.ts'
import type { IssuedTokens } from './issued-tokens.ts'
import type { OauthSettings } from './settings.ts'
import type { ShownToken } from './shown-token.ts'
import type { UseOnce } from './single-use.ts'
import { claimsOf, type DecidedBy, type Wish } from './token.ts'
import { tokenExchangeGrant, tokenTypes } from './token-types.ts'

export interface IssueDeps {
  readonly settings: Pick<OauthSettings, 'issuer' | 'resources'>
  readonly ca: Pick<Ca, 'issueAccessToken'>
  readonly policies: Pick<Policies, 'decide' | 'revision'>
  /** `note` hears of each token that leaves. */
  readonly issued: Pick<IssuedTokens, 'ready' | 'note'>
  readonly entriesOf: ClientDoorDeps['entriesOf']
  readonly disabledOf: ClientDoorDeps['disabledOf']
  readonly revocations: Pick<Revocations, 'find' | 'judge' | 'head' | 'since'>
  readonly clock: Clock
  readonly useOnce: UseOnce
}

/** What was decided to issue. */
export interface TokenGrant extends Wish {
  readonly decidedBy: DecidedBy
  /** Common to a token and to all that is exchanged for it. */
  readonly txn: string
  /** It lives no longer. */
  readonly notAfter: Date
  /** What it is exchanged for; undefined: it is the first of its transaction. */
  readonly exchanged?: {
    readonly from: ShownToken
    /** Who acts for its subject, the current one first; `[]` where that is the subject itself. */
    readonly actors: readonly string[]
    readonly mayAct: unknown
  }
}

/** Throws as `issueOnce` and `Ca`, `unavailable` `issued-unwritable`. */
export function issueToken(
  request: ClientRequest,
  grant: TokenGrant,
  deps: IssueDeps,
): Promise<OauthAnswer> {
  const { federated } = request.client
  deps.issued.ready()
  if (federated === undefined) return signToken(request, grant, deps)
  const sign = () => signToken(request, grant, deps)
  return issueOnce(federated, 'access_token', deps.useOnce, sign)
}

/** Signs the token, which is on record before it leaves (RFC 6749 §5.1, RFC 8693 §2.2.1). */
async function signToken(
  request: ClientRequest,
  grant: TokenGrant,
  deps: IssueDeps,
): Promise<OauthAnswer> {
  const { address, trace, form, client, entries, edge } = request
  const { settings, ca, issued } = deps
  const { resource, scopes, txn, decidedBy, exchanged } = grant
  const [entry] = entries
  const jti = uuidV7(deps.clock.now())
  const factsUpTo = deps.revocations.head.number
  const subject = exchanged?.from.subject ?? client.spiffeId
  const actors = exchanged?.actors ?? []
  const parent = exchanged?.from.jti
  const from = exchanged && {
    audience: exchanged.from.audience,
    depth: exchanged.from.actors.length,
    keyId: exchanged.from.keyId,
  }
  const { federated } = client
  const foreign = federated && subjectRecord(federated.token, federated.rule)
  const { token, keyId, issuedAt, expiresAt } = await ca.issueAccessToken({
    spiffeId: subject,
    audience: resource.id,
    jti,
    ttlSeconds: resource.maxTtlSeconds,
    notAfter: endOf(grant.notAfter, entries),
    claims: claimsOf(settings.issuer, {
      client,
      entry,
      scopes,
      txn,
      actors,
      mayAct: exchanged?.mayAct,
    }),
    audit: {
      actor: {
        ...actorOf(address, client),
        entryId: entry.id,
        owner: entry.owner,
        // An agent's entries are for workloads of its node alone.
        node: isAgentId(entry.parentId) ? entry.parentId : undefined,
      },
      actors: actors.length > 0 ? actors : undefined,
      entryId: entry.id,
      owner: entry.owner,
      purpose: entry.purpose,
      transaction: txn,
      parentJti: parent,
      grant: form.get('grant_type'),
      scope: scopes,
      confirmation: client.certificate?.thumbprint,
      resourceOwner: resource.owner,
      policies: decidedBy.policies,
      cached: decidedBy.cached,
      policyRevision: decidedBy.revision,
      trace,
      subject: foreign?.subject,
      details: {
        ...foreign?.details,
        ...(edge !== undefined && { edge: edge.id, edgeAddress: edge.address }),
        ...(from !== undefined && {
          ...{ fromAudience: from.audience, fromDepth: from.depth, fromKeyId: from.keyId },
        }),
        // Of what was revoked later nobody has asked.
        factsUpTo,
      },
    },
  })
  // What was revoked while it was signed and put on record is known by now, or makes whoever watches `issued` revoke it.
  checkStanding(client, deps)
  if (exchanged !== undefined) {
    refuseBornDead(deps.revocations.judge(exchanged.from.claims, exchanged.from.keyId))
  }
  const leaving: IssuedToken = {
    jti,
    txn,
    parent,
    from,
    entryId: entry.id,
    owner: entry.owner,
    subject,
    clientId: client.spiffeId,
    audience: resource.id,
    scopes,
    auth: client.method,
    address,
    actors,
    rule: federated?.rule.id,
    keyId,
    issuedAt,
    expiresAt,
  }
  if (deps.revocations.head.number > factsUpTo) {
    const meanwhile = crossing(deps.revocations.since(factsUpTo))
    refuseBornDead(meanwhile.judge(claimsOfIssued(leaving), keyId))
  }
  issued.note(leaving)
  return tokenAnswerOf(token, {
    ...(form.get('grant_type') === tokenExchangeGrant && {
      issued_token_type: tokenTypes.accessToken,
    }),
    token_type: 'Bearer',
    expires_in: (expiresAt.getTime() - issuedAt.getTime()) / 1000,
    scope: scopes.join(' '),
  })
}

/** No token outlives an entry that it is issued by, though that is deleted some minutes after its end. */
function endOf(notAfter: Date, entries: ClientRequest['entries']): Date {
  return entries.reduce((end, { expiresAt = end }) => (expiresAt < end ? expiresAt : end), notAfter)
}

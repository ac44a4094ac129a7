import type { AuditEvent } from '../../src/audit/event.ts'
import { CountersignError } from '../../src/errors.ts'
import { type RateLimit, RateLimiter } from '../access/limits.ts'
import type { Changes } from '../changes/changes.ts'
import type { Policies } from '../policy/policies.ts'
import type { Revocations } from '../revocation/revocations.ts'
import type { Cause } from '../revocation/write-facts.ts'
import type { Store } from '../store/store.ts'
import { answerOf, type OauthAnswer } from './answer.ts'
import {
  actorOf,
  type ClientDoor,
  type ClientDoorDeps,
  type ClientRequest,
  createClientDoor,
} from './client-door.ts'
import { PolicyRefusal } from './policy-refusal.ts'
import type { ShownToken, TokenReader } from './shown-token.ts'

export interface RevocationDoorDeps extends ClientDoorDeps {
  readonly tokens: TokenReader
  readonly policies: Pick<Policies, 'decide' | 'revision'>
  readonly revocations: Pick<Revocations, 'find' | 'write'>
  readonly store: Pick<Store, 'write'>
  readonly changes: Pick<Changes, 'reached'>
}

/** Of one client: each is a fact that the server and every verifier keeps for an hour. */
const ofOneClient: RateLimit = { perSecond: 10, burst: 1000 }

/**
 * Where a client ends a token of its own, and whoever a policy lets ends one of others (RFC 7009). A token that is not
 * good, or unknown, is answered as one that was revoked (§2.2).
 */
export function createRevocationDoor(deps: RevocationDoorDeps): ClientDoor {
  const room = new RateLimiter(ofOneClient, deps.clock)
  return createClientDoor('revoke', deps, async (request) => {
    const token = request.form.get('token')
    if (token === undefined) {
      throw new CountersignError('invalid', 'token is missing', { reason: 'request-token-missing' })
    }
    const shown = await readIfGood(token, deps.tokens)
    if (shown !== undefined) {
      room.take(request.client.spiffeId)
      await revoke(shown, request, deps)
    }
    return done
  })
}

const { 'content-type': _, ...noStore } = answerOf({}).headers
const done: OauthAnswer = { status: 200, headers: noStore, body: '' }

async function readIfGood(token: string, tokens: TokenReader): Promise<ShownToken | undefined> {
  try {
    return await tokens.read(token)
  } catch (error) {
    if (error instanceof CountersignError && error.code === 'unauthenticated') return undefined
    throw error
  }
}

async function revoke(
  shown: ShownToken,
  request: ClientRequest,
  deps: RevocationDoorDeps,
): Promise<void> {
  const { address, trace, client, entries, known } = request
  const { policies, revocations, store, changes, clock } = deps
  const about = aboutToken(shown)
  known.forWhom = about
  const decidedBy = decide(shown, request, policies)
  const cause = causeOf(shown)
  const position = await store.write(async (tx) => {
    tx.audit({
      kind: 'revocation.written',
      time: clock.now(),
      actor: { ...actorOf(address, client), entryId: entries[0].id, owner: entries[0].owner },
      ...about,
      decision: 'allow',
      policies: decidedBy,
      policyRevision: policies.revision,
      trace,
      details: { kind: cause.kind, id: cause.id },
    })
    return revocations.write(tx, [cause])
  })
  await changes.reached(position)
}

/** For the record: whose it is, and what for. */
function aboutToken({ claims, ...shown }: ShownToken) {
  const said = (name: string): string | undefined => {
    const value = claims[name]
    return typeof value === 'string' ? value : undefined
  }
  return {
    spiffeId: shown.subject,
    actors: shown.actors.length > 0 ? shown.actors : undefined,
    ...{ jti: shown.jti, transaction: shown.txn, audience: [shown.audience], scope: shown.scopes },
    ...{ entryId: said('entry_id'), owner: said('owner'), purpose: said('purpose') },
  } satisfies Partial<AuditEvent>
}

/** A token that nobody has passed on takes with it all that was bought with it; one that was passed on goes alone. */
function causeOf({ claims, jti, txn, expiresAt }: ShownToken): Cause {
  return claims['act'] === undefined
    ? { kind: 'transaction', id: txn }
    : { kind: 'token', id: jti, endsAt: expiresAt }
}

/** The policies that permit it; for a client's own token one is built in. Throws `forbidden` `policy-…`. */
function decide(
  { claims, clientId, jti, audience }: ShownToken,
  { entries }: ClientRequest,
  policies: RevocationDoorDeps['policies'],
): readonly string[] {
  const owner = typeof claims['owner'] === 'string' ? claims['owner'] : ''
  const decidedBy = new Set<string>()
  for (const entry of entries) {
    const decision = policies.decide({
      action: 'revoke',
      by: { entry },
      target: { kind: 'token', id: jti, client: clientId, audience, owner },
    })
    if (!decision.allowed) throw new PolicyRefusal('revocation', decision, policies.revision)
    for (const policy of decision.policies) decidedBy.add(policy)
  }
  return [...decidedBy].sort()
}

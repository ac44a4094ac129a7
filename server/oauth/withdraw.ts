import type { Kysely } from 'kysely'
import type { AuditEvent } from '../../src/audit/event.ts'
import type { Decision } from '../../src/policy/question.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Revocations } from '../revocation/revocations.ts'
import type { Cause } from '../revocation/write-facts.ts'
import { type IssuedToken, listIssuedTokens } from '../store/issued-tokens.ts'
import type { Schema } from '../store/schema.ts'
import type { Store } from '../store/store.ts'

/** A token that nobody would get now, and why. */
export interface Withdrawal {
  readonly token: IssuedToken
  readonly decision: Pick<Decision, 'policies'> & { readonly reason: string }
}

export interface WithdrawDeps {
  readonly store: Pick<Store, 'write'> & { readonly db: Kysely<Schema> }
  readonly revocations: Pick<Revocations, 'write'>
  readonly clock: Pick<Clock, 'now'>
}

const maxDescendants = 1000

/**
 * Revokes them in one transaction, each with all that was bought with it, each on record. `revision`: of the policies,
 * where they have decided it.
 */
export async function writeWithdrawals(
  found: readonly Withdrawal[],
  revision: string | undefined,
  deps: WithdrawDeps,
): Promise<void> {
  if (found.length === 0) return
  const { store, revocations, clock } = deps
  const now = clock.now()
  const causes: Cause[] = []
  for (const { token } of found) causes.push(...(await causesOf(token, store.db, now)))
  await store.write(async (tx) => {
    for (const withdrawal of found) tx.audit(eventOf(withdrawal, revision, now))
    await revocations.write(tx, causes)
  })
}

/** Of the first of a transaction all of that; of one that was exchanged, itself and what was exchanged for it. */
async function causesOf(
  { jti, txn, parent, expiresAt }: IssuedToken,
  db: Kysely<Schema>,
  now: Date,
): Promise<readonly Cause[]> {
  if (parent === undefined) return [{ kind: 'transaction', id: txn }]
  const all = await listIssuedTokens(db, { txn }, { now, limit: maxDescendants })
  const dead = new Map([[jti, expiresAt]])
  for (let before = 0; before < dead.size; ) {
    before = dead.size
    for (const one of all) {
      if (one.parent !== undefined && dead.has(one.parent)) dead.set(one.jti, one.expiresAt)
    }
  }
  return [...dead].map(([id, endsAt]) => ({ kind: 'token', id, endsAt }))
}

function eventOf(
  { token, decision }: Withdrawal,
  revision: string | undefined,
  time: Date,
): AuditEvent {
  return {
    kind: 'revocation.written',
    time,
    actor: { kind: 'server' },
    spiffeId: token.clientId,
    entryId: token.entryId,
    owner: token.owner,
    jti: token.jti,
    transaction: token.txn,
    audience: [token.audience],
    scope: token.scopes,
    decision: 'allow',
    reason: decision.reason,
    policies: decision.policies,
    policyRevision: revision,
    details: {
      kind: token.parent === undefined ? 'transaction' : 'token',
      id: token.parent === undefined ? token.txn : token.jti,
    },
  }
}

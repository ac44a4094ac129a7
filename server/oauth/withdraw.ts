import type { Kysely } from 'kysely'
import type { AuditEvent } from '../../src/audit/event.ts'
import type { Decision } from '../../src/policy/question.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { Slice } from '../../src/runtime/slice.ts'
import type { Revocations } from '../revocation/revocations.ts'
import type { Cause } from '../revocation/write-facts.ts'
import { type IssuedToken, issuedTokens } from '../store/issued-tokens.ts'
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
  readonly clock: Clock
}

/** Of one transaction. */
const maxTokens = 1000

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
  const ends: { readonly event: AuditEvent; readonly causes: readonly Cause[] }[] = []
  const exchanged = found.flatMap(({ token: { parent, txn } }) => (parent === undefined ? [] : txn))
  const transactions = await tokensOf(new Set(exchanged), store.db, clock)
  for (const withdrawal of found) {
    const causes = causesOf(withdrawal.token, transactions.get(withdrawal.token.txn) ?? [])
    ends.push({ causes, event: eventOf(withdrawal, causes[0], revision, now) })
  }
  await store.write(async (tx) => {
    for (const { event } of ends) tx.audit(event)
    await revocations.write(
      tx,
      ends.flatMap(({ causes }) => causes),
    )
  })
}

/**
 * By transaction; not all, where one has more than `maxTokens`. There is no index on what is looked for: all that is good
 * is gone through once, however many transactions it is about, and others have their turn meanwhile.
 */
async function tokensOf(
  transactions: ReadonlySet<string>,
  db: Kysely<Schema>,
  clock: WithdrawDeps['clock'],
): Promise<ReadonlyMap<string, readonly IssuedToken[]>> {
  const found = new Map<string, IssuedToken[]>()
  if (transactions.size === 0) return found
  const slice = new Slice(clock)
  for await (const page of issuedTokens(db, { transactions }, { now: clock.now() })) {
    for (const token of page) {
      const others = found.get(token.txn)
      if (others === undefined) found.set(token.txn, [token])
      else if (others.length < maxTokens) others.push(token)
    }
    if (slice.isOver) await slice.rest()
  }
  return found
}

/**
 * Of the first of a transaction all of that; of one that was exchanged, itself and what was exchanged for it. Where there
 * are more than can be looked through, all of the transaction: nothing that was exchanged for it may be left.
 */
function causesOf(
  { jti, txn, parent, expiresAt }: IssuedToken,
  all: readonly IssuedToken[],
): readonly [Cause, ...Cause[]] {
  if (parent === undefined || all.length >= maxTokens) return [{ kind: 'transaction', id: txn }]
  const self = causeOf(jti, expiresAt)
  const dead = new Map<string, Cause>()
  const isDead = (id: string | undefined): boolean =>
    id !== undefined && (id === jti || dead.has(id))
  for (let before = -1; before < dead.size; ) {
    before = dead.size
    for (const one of all) {
      if (isDead(one.parent)) dead.set(one.jti, causeOf(one.jti, one.expiresAt))
    }
  }
  return [self, ...dead.values()]
}

function causeOf(jti: string, endsAt: Date): Cause {
  return { kind: 'token', id: jti, endsAt }
}

function eventOf(
  { token, decision }: Withdrawal,
  { kind, id }: Cause,
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
    details: { kind, id },
  }
}

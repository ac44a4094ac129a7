import type { AuditEvent } from '../../src/audit/event.ts'
import type { Decision } from '../../src/policy/question.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Revocations } from '../revocation/revocations.ts'
import type { Cause } from '../revocation/write-facts.ts'
import type { IssuedToken } from '../store/issued-tokens.ts'
import type { Store } from '../store/store.ts'

/** A token that nobody would get now, and why. */
export interface Withdrawal {
  readonly token: IssuedToken
  readonly decision: Pick<Decision, 'policies'> & { readonly reason: string }
}

export interface WithdrawDeps {
  readonly store: Pick<Store, 'write'>
  readonly revocations: Pick<Revocations, 'write'>
  readonly clock: Clock
}

/**
 * Revokes them in one transaction, each on record; with the first of its transaction all of that. What was exchanged for
 * another one goes once that is known (`runOrphans`). `revision`: of the policies, where they have decided it.
 */
export async function writeWithdrawals(
  found: readonly Withdrawal[],
  revision: string | undefined,
  { store, revocations, clock }: WithdrawDeps,
): Promise<void> {
  if (found.length === 0) return
  const now = clock.now()
  await store.write(async (tx) => {
    const causes = found.map(({ token }) => causeOf(token))
    for (const withdrawal of found) tx.audit(eventOf(withdrawal, revision, now))
    await revocations.write(tx, causes)
  })
}

function causeOf({ jti, txn, parent, expiresAt }: IssuedToken): Cause {
  return parent === undefined
    ? { kind: 'transaction', id: txn }
    : { kind: 'token', id: jti, endsAt: expiresAt }
}

function eventOf(
  { token, decision }: Withdrawal,
  revision: string | undefined,
  time: Date,
): AuditEvent {
  const { kind, id } = causeOf(token)
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

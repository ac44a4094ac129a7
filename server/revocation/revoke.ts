import type { AuditEvent } from '../../src/audit/event.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Decision, RevocationQuestion } from '../../src/policy/question.ts'
import { type FactKind, factKinds } from '../../src/revocation/fact.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { nearest } from '../../src/runtime/suggest.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Changes } from '../changes/changes.ts'
import type { Store, WriteTx } from '../store/store.ts'
import type { Cause, WriteFacts } from './write-facts.ts'

/** Who asks, for the trail. */
export type Act = Pick<AuditEvent, 'actor' | 'requestId'>

/** What an operator ends, as he said it. */
export interface Target {
  readonly kind: FactKind
  readonly id: string
}

export interface RevokeDeps {
  readonly store: Pick<Store, 'write'>
  readonly changes: Pick<Changes, 'reached'>
  readonly writeFacts: WriteFacts
  readonly clock: Clock
  /** undefined: no access tokens are issued here. */
  readonly policies:
    | { decide(question: RevocationQuestion): Decision; readonly revision: string }
    | undefined
}

/** Throws `invalid`: `revoke-kind`, `revoke-id`, and as SPIFFE IDs and trust domains are read. */
export function readTarget(kind: string, id: string): Target {
  const known = factKinds.find((one) => one === kind)
  if (known === undefined) {
    const near = nearest(kind, factKinds)
    throw new CountersignError('invalid', 'there is nothing of this kind to revoke', {
      reason: 'revoke-kind',
      fix: near === undefined ? `use one of: ${factKinds.join(', ')}` : `did you mean ${near}?`,
    })
  }
  if (id === '' || id.length > 2048) {
    throw new CountersignError('invalid', 'an id has 1 to 2048 characters', { reason: 'revoke-id' })
  }
  if (known === 'spiffe-id' || known === 'node') return { kind: known, id: SpiffeId.parse(id) }
  if (known === 'trust-domain') return { kind: known, id: TrustDomain.parseIdOrName(id) }
  return { kind: known, id }
}

/** Throws `invalid` `revoke-reason`. */
export function checkReason(reason: string): void {
  if (reason !== '' && reason.length <= 256) return
  throw new CountersignError('invalid', 'a reason has 1 to 256 characters', {
    reason: 'revoke-reason',
    fix: 'say why with --reason: it is put on record',
  })
}

/** What belongs to a revocation. */
export interface Revoking {
  /** What has to be done before it can be written, once it is permitted. */
  readonly before?: () => Promise<unknown>
  /** What ends with the target, which is not among them. */
  readonly causes?: readonly Cause[]
  /** What else is written with it. */
  readonly within?: ((tx: WriteTx) => Promise<unknown>) | undefined
}

/**
 * Writes the fact, on record, and resolves with its number once this server refuses what it hits. What a policy forbids is
 * on record too. Throws `forbidden` `policy-…`, `conflict` `oauth-absent`.
 */
export async function revoke(
  deps: RevokeDeps,
  target: Target,
  reason: string,
  act: Act,
  { before, causes = [], within }: Revoking = {},
): Promise<number> {
  const { store, changes, clock, writeFacts } = deps
  const decision = decide(deps.policies, target, act)
  const event = (kind: AuditEvent['kind'], why: string): AuditEvent => ({
    kind,
    time: clock.now(),
    ...act,
    decision: decision.allowed ? 'allow' : 'deny',
    reason: why,
    policies: decision.policies,
    policyRevision: decision.revision,
    details: { kind: target.kind, id: target.id },
  })
  if (!decision.allowed) {
    await store.write(async (tx) => tx.audit(event('revocation.denied', decision.reason)))
    throw new CountersignError('forbidden', 'the policy does not let this operator revoke it', {
      reason: decision.reason,
    })
  }
  await before?.()
  const position = await store.write(async (tx) => {
    tx.audit(event('revocation.written', reason))
    const last = await writeFacts(tx, [...causes, target])
    // Whoever is numbered after the facts waits for this write: what it reads of the rows is whole.
    await within?.(tx)
    return last
  })
  await changes.reached(position)
  return position
}

function decide(
  policies: RevokeDeps['policies'],
  { kind, id }: Target,
  { actor }: Act,
): Decision & { readonly revision: string } {
  if (policies === undefined) {
    throw new CountersignError('conflict', 'this server issues no access tokens', {
      reason: 'oauth-absent',
      fix: 'ask a server whose configuration has oauth',
    })
  }
  const target =
    kind === 'token' ? ({ kind, id, client: '', audience: '', owner: '' } as const) : { kind, id }
  const operator = actor.id ?? `uid:${actor.uid ?? ''}`
  const decision = policies.decide({ action: 'revoke', by: { operator }, target })
  return { ...decision, revision: policies.revision }
}

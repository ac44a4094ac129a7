import type { AuditEvent } from '../src/audit/event.ts'
import { systemClock } from '../src/runtime/clock.ts'
import type { Log } from '../src/runtime/log.ts'
import type { SpiffeId } from '../src/spiffe-id/spiffe-id.ts'
import type { Trail } from './audit/trail.ts'
import type { RefusedRow } from './store/row-seal.ts'

interface AlarmDeps {
  readonly trail: Trail
  readonly log: Log
}

/** Somebody else wrote this row into the database. */
export function recordRefusedRow({ table, id }: RefusedRow, { trail, log }: AlarmDeps): void {
  const event: AuditEvent = {
    kind: 'store.row.refused',
    time: systemClock.now(),
    actor: { kind: 'server' },
    decision: 'deny',
    reason: 'row-seal',
    details: { table, id },
  }
  trail
    .append([event])
    .catch((error: unknown) => log.error('a refusal is not on record', { error }))
}

/** Two processes show the SVID of one agent. */
export function recordDuplicate(
  spiffeId: SpiffeId,
  addresses: readonly string[],
  { trail, log }: AlarmDeps,
): void {
  log.warn('two processes show the SVID of one agent', { agentId: spiffeId, addresses })
  const event: AuditEvent = {
    kind: 'agent.duplicated',
    time: systemClock.now(),
    actor: { kind: 'server' },
    spiffeId,
    decision: 'deny',
    reason: 'agent-duplicated',
    details: { addresses: addresses.join(' ') },
  }
  trail
    .append([event])
    .catch((error: unknown) => log.error('a duplicate is not on record', { error }))
}

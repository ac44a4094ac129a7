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
export function recordRefusedRow({ table, id }: RefusedRow, deps: AlarmDeps): void {
  record({ kind: 'store.row.refused', reason: 'row-seal', details: { table, id } }, deps)
}

/** Two processes show the SVID of one agent. */
export function recordDuplicate(
  spiffeId: SpiffeId,
  addresses: readonly string[],
  deps: AlarmDeps,
): void {
  deps.log.warn('two processes show the SVID of one agent', { agentId: spiffeId, addresses })
  const details = { addresses: addresses.join(' ') }
  record({ kind: 'agent.duplicated', spiffeId, reason: 'agent-duplicated', details }, deps)
}

function record(
  alarm: Pick<AuditEvent, 'kind' | 'spiffeId' | 'reason' | 'details'>,
  { trail, log }: AlarmDeps,
): void {
  const actor = { kind: 'server' } as const
  trail
    .append([{ ...alarm, time: systemClock.now(), actor, decision: 'deny' }])
    .catch((error: unknown) => log.error('an alarm is not on record', { error }))
}

import type { AuditEvent, AuditKind } from '../../src/audit/event.ts'
import type { Entry } from '../../src/entry/entry.ts'
import type { BatchOptions } from './batch.ts'

type EntryAuditKind = Extract<AuditKind, `entry.${string}`>

/**
 * What is put on record of a written entry. Its selectors are not: they may hold what a workload keeps in its environment;
 * but for those that say what a legacy caller's key may be used for.
 */
export function entryEvent(
  kind: EntryAuditKind,
  entry: Entry,
  options: Pick<BatchOptions, 'actor' | 'requestId' | 'trace'>,
  time: Date,
  reason?: string,
): AuditEvent {
  return {
    kind,
    time,
    actor: options.actor,
    spiffeId: entry.spiffeId,
    entryId: entry.id,
    expiresAt: entry.expiresAt,
    owner: entry.owner === '' ? undefined : entry.owner,
    purpose: entry.purpose === '' ? undefined : entry.purpose,
    decision: 'allow',
    reason,
    requestId: options.requestId,
    trace: options.trace,
    details: {
      parentId: entry.parentId,
      revision: entry.revision,
      selectors: entry.selectors.length,
      admin: entry.admin,
      downstream: entry.downstream,
      ...boundsOfLegacyCaller(entry),
      ...(entry.disabledAt !== undefined && { disabled: true }),
    },
  }
}

function boundsOfLegacyCaller({ selectors }: Entry): AuditEvent['details'] {
  const said = selectors.flatMap(({ type, value }) => (type === 'legacy' ? [value] : []))
  return said.length === 0 ? {} : { legacy: said.join(' ').slice(0, 2048) }
}

/** A row that the server did not believe was deleted; nothing that it said is repeated. */
export function refusedRowEvent(entryId: string, options: BatchOptions, time: Date): AuditEvent {
  const { actor, requestId, trace } = options
  const reason = 'row-refused'
  return {
    kind: 'entry.deleted',
    time,
    actor,
    entryId,
    decision: 'allow',
    reason,
    requestId,
    trace,
  }
}

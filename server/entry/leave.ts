import type { AuditEvent } from '../../src/audit/event.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { readChanges } from '../store/changes.ts'
import { deleteEntries, loadEntries, updateEntries } from '../store/entries.ts'
import type { WriteTx } from '../store/store.ts'
import type { RegistryDeps } from './batch.ts'
import { causesOf } from './ended-causes.ts'
import { entryEvent } from './record.ts'

/**
 * What becomes of the entries that federate with a trust domain when its bundle goes: `restrict`
 * lets it go only where there are none, `delete` deletes them, `dissociate` lets them federate with
 * the others only.
 */
export type LeaveMode = 'restrict' | 'delete' | 'dissociate'

const maxRecent = 5000

/** To be called within the write that deletes the bundle. Throws `conflict` / `bundle-in-use`. */
export async function leaveTrustDomain(
  deps: RegistryDeps,
  tx: WriteTx,
  trustDomain: TrustDomain,
  mode: LeaveMode,
  act: Pick<AuditEvent, 'actor' | 'requestId' | 'trace'>,
): Promise<void> {
  const entries = await federatingWith(deps, tx, trustDomain)
  if (entries.length === 0) return
  if (mode === 'restrict') {
    throw new CountersignError(
      'conflict',
      `cannot delete bundle; federated with ${entries.length} registration entries`,
      {
        reason: 'bundle-in-use',
        fix: 'delete them too, or let them federate with it no longer: --mode delete or dissociate',
      },
    )
  }
  const now = deps.clock.now()
  const reason = 'bundle-deleted'
  if (mode === 'delete') {
    await deleteEntries(
      tx,
      entries.map(({ id }) => id),
    )
    await deps.writeFacts(tx, await causesOf(entries, tx, deps))
    for (const entry of entries) tx.audit(entryEvent('entry.deleted', entry, act, now, reason))
    return
  }
  const dissociated = entries.map((entry) => ({
    ...entry,
    federatesWith: entry.federatesWith.filter((name) => name !== trustDomain),
    revision: entry.revision + 1,
  }))
  await updateEntries(tx, dissociated)
  for (const entry of dissociated) tx.audit(entryEvent('entry.updated', entry, act, now, reason))
}

/** The index may lag behind the rows: what changed since is looked at too, and each row once more. */
async function federatingWith(
  { index, changes }: Pick<RegistryDeps, 'index' | 'changes'>,
  tx: WriteTx,
  trustDomain: TrustDomain,
): Promise<readonly Entry[]> {
  const filter = { federatesWith: { match: 'any', trustDomains: [trustDomain] } } as const
  const known = index.list(filter, undefined, index.size + 1).map(({ id }) => id)
  const recent = await readChanges(tx.db, changes.position, maxRecent + 1)
  if (recent.length > maxRecent) {
    throw new CountersignError('unavailable', 'too much has changed a moment ago', {
      reason: 'index-behind',
      retryAfterMs: 1000,
    })
  }
  const changed = recent.filter(({ kind }) => kind === 'entry').map(({ ref }) => ref)
  const rows = await loadEntries(tx.db, [...known, ...changed])
  return rows.filter(({ federatesWith }) => federatesWith.includes(trustDomain))
}

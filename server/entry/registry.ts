import type { AuditEvent } from '../../src/audit/event.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { WriteTx } from '../store/store.ts'
import type { BatchOptions, BatchResult, RegistryDeps } from './batch.ts'
import { createBatch } from './create.ts'
import { type DeleteOptions, deleteBatch } from './delete.ts'
import { disableBatch, enableBatch, type SwitchOptions } from './disable.ts'
import type { EntryInput } from './entry-input.ts'
import { expiredBy } from './expiry.ts'
import { type LeaveMode, leaveTrustDomain } from './leave.ts'
import { type EntryUpdate, type UpdateOptions, updateBatch } from './update.ts'

/** How many expired entries are deleted in one write. */
const pruneSize = 1000

/**
 * Where entries are made, changed, switched off and on, and deleted. Each batch is one write, its answer item by item;
 * when it comes, this server's index has it. All throw `invalid` / `batch-size`, and what the store
 * throws where nothing could be written.
 */
export interface Registry {
  createEntries(inputs: readonly EntryInput[], options: BatchOptions): Promise<BatchResult>
  updateEntries(updates: readonly EntryUpdate[], options: UpdateOptions): Promise<BatchResult>
  deleteEntries(ids: readonly string[], options: DeleteOptions): Promise<BatchResult>
  /** From then on nobody gets anything by them, and what was got by them is dead. Throws `invalid` `entry-reason` too. */
  disableEntries(ids: readonly string[], options: SwitchOptions): Promise<BatchResult>
  /** They give what they gave, anew. Throws `invalid` `entry-reason` too. */
  enableEntries(ids: readonly string[], options: SwitchOptions): Promise<BatchResult>
  /** Within the write that deletes its bundle: what becomes of the entries that federate with it. Throws `conflict` `bundle-in-use`. */
  leaveTrustDomain(
    tx: WriteTx,
    trustDomain: TrustDomain,
    mode: LeaveMode,
    act: Pick<AuditEvent, 'actor' | 'requestId' | 'trace'>,
  ): Promise<void>
  /** Deletes what has expired; resolves with how many that were. */
  pruneExpired(signal: AbortSignal): Promise<number>
}

export function createRegistry(deps: RegistryDeps): Registry {
  return {
    createEntries: (inputs, options) => createBatch(deps, inputs, options),
    updateEntries: (updates, options) => updateBatch(deps, updates, options),
    deleteEntries: (ids, options) => deleteBatch(deps, ids, options),
    disableEntries: (ids, options) => disableBatch(deps, ids, options),
    enableEntries: (ids, options) => enableBatch(deps, ids, options),
    leaveTrustDomain: (tx, trustDomain, mode, act) =>
      leaveTrustDomain(deps, tx, trustDomain, mode, act),
    pruneExpired: (signal) => pruneExpired(deps, signal),
  }
}

async function pruneExpired(deps: RegistryDeps, signal: AbortSignal): Promise<number> {
  const now = deps.clock.now()
  const ids = deps.index.expired(now)
  let count = 0
  for (let at = 0; at < ids.length; at += pruneSize) {
    const { results } = await deleteBatch(deps, ids.slice(at, at + pruneSize), {
      actor: { kind: 'server' },
      reason: 'expired',
      signal,
      // It may have been prolonged since the index was asked.
      only: (entry) => expiredBy([entry], now).length > 0,
    })
    count += results.filter((result) => result.error === undefined).length
  }
  return count
}

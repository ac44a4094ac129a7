import { type EntryFilter, matcherOf } from '../entry/filter.ts'
import { loadEntriesBeginning } from '../store/entries.ts'
import { putRevokedKeys } from '../store/revoked-keys.ts'
import type { WriteTx } from '../store/store.ts'
import { idPrefix } from './legacy-caller.ts'

/**
 * Within the write that revokes what the filter names: ends the static keys of it for good. A key is never replaced, and
 * is as old as ever: nothing that ends by itself may be all that keeps it out. Its rows are asked, since the index may not
 * know yet whom another server has added.
 */
export async function revokeKeys(
  tx: Pick<WriteTx, 'db'>,
  filter: EntryFilter,
  at: Date,
): Promise<void> {
  const found = (await loadEntriesBeginning(tx.db, idPrefix)).filter(matcherOf(filter))
  await putRevokedKeys(
    tx,
    found.map(({ id }) => id),
    at,
  )
}

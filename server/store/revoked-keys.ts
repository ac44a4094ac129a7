import type { Kysely } from 'kysely'
import { chunksOf } from './prepared.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/**
 * Remembers that the static keys of these entries were revoked: for good, since each is of an operator's own making, and
 * also when the entry is gone.
 */
export async function putRevokedKeys(
  tx: Pick<WriteTx, 'db'>,
  entryIds: readonly string[],
  at: Date,
): Promise<void> {
  for (const chunk of chunksOf(entryIds)) {
    await tx.db
      .insertInto('revoked_keys')
      .values(chunk.map((entry_id) => ({ entry_id, revoked_at: at.getTime() })))
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
}

/** Which of these entries had a static key that was revoked, and since when. */
export async function revokedKeys(
  db: Kysely<Schema>,
  entryIds: readonly string[],
): Promise<ReadonlyMap<string, Date>> {
  const revoked = new Map<string, Date>()
  for (const chunk of chunksOf(entryIds)) {
    const rows = await db
      .selectFrom('revoked_keys')
      .selectAll()
      .where('entry_id', 'in', chunk)
      .execute()
    for (const row of rows) revoked.set(row.entry_id, new Date(row.revoked_at))
  }
  return revoked
}

import type { Kysely } from 'kysely'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/** When the key of each of these entries was used last. */
export async function putLegacyUse(
  tx: Pick<WriteTx, 'db'>,
  used: ReadonlyMap<string, Date>,
): Promise<void> {
  for (const [entryId, at] of used) {
    const last_used_at = at.getTime()
    await tx.db
      .insertInto('legacy_use')
      .values({ entry_id: entryId, last_used_at })
      .onConflict((conflict) =>
        conflict
          .column('entry_id')
          .doUpdateSet({ last_used_at })
          .where('legacy_use.last_used_at', '<', last_used_at),
      )
      .execute()
  }
}

export async function legacyUse(
  db: Kysely<Schema>,
  entryIds: readonly string[],
): Promise<ReadonlyMap<string, Date>> {
  if (entryIds.length === 0) return new Map()
  const rows = await db
    .selectFrom('legacy_use')
    .selectAll()
    .where('entry_id', 'in', entryIds)
    .execute()
  return new Map(rows.map((row) => [row.entry_id, new Date(row.last_used_at)]))
}

/** Forgets what is known of these entries. */
export async function deleteLegacyUse(
  tx: Pick<WriteTx, 'db'>,
  entryIds: readonly string[],
): Promise<void> {
  await tx.db.deleteFrom('legacy_use').where('entry_id', 'in', entryIds).execute()
}

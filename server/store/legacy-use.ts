import type { Kysely } from 'kysely'
import { places, prepared } from './prepared.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/** When the key of each of these entries was used last; of one that was deleted meanwhile nothing is kept. */
export async function putLegacyUse(
  tx: Pick<WriteTx, 'db'>,
  used: ReadonlyMap<string, Date>,
): Promise<void> {
  for (const [entryId, at] of used) {
    const last_used_at = at.getTime()
    await tx.db
      .insertInto('legacy_use')
      .columns(['entry_id', 'last_used_at'])
      .expression((from) =>
        from
          .selectFrom('entries')
          .select(({ val }) => ['id', val(last_used_at).as('last_used_at')])
          .where('id', '=', entryId),
      )
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

const deleteRows = prepared((db, size) =>
  db.deleteFrom('legacy_use').where('entry_id', 'in', places(size, '')),
)

/** Forgets what is known of these entries: as many as one statement takes. */
export async function deleteLegacyUse(
  tx: Pick<WriteTx, 'db'>,
  entryIds: readonly string[],
): Promise<void> {
  await deleteRows(tx.db, entryIds.length, entryIds)
}

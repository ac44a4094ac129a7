import type { Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/** Of an entry with a static key, as a version before this one has kept it; times in ms. */
interface KeyedEntry {
  readonly id: string
  readonly spiffeId: string
  readonly owner?: string
  readonly createdAt: number
  readonly expiresAt?: number
  readonly disabledAt?: number
  readonly enabledAt?: number
}

type FactRow = Pick<Schema['revocation_facts'], 'kind' | 'id' | 'not_before' | 'ends_at'>

/** Static keys were kept out by facts, that lasted as long as they: what those say is written down for good. */
export async function createRevokedKeys(db: Kysely<Schema>): Promise<void> {
  await db.schema
    .createTable('revoked_keys')
    .addColumn('entry_id', 'text', (column) => column.primaryKey())
    .addColumn('revoked_at', 'bigint', (column) => column.notNull())
    .execute()
  const rows = await db
    .selectFrom('entries')
    .select('body')
    .where('id', 'like', 'legacy.%')
    .execute()
  for (const { body } of rows) {
    const entry: KeyedEntry = JSON.parse(body)
    const { id: entry_id, spiffeId, owner = '' } = entry
    const facts = await db
      .selectFrom('revocation_facts')
      .select(['kind', 'id', 'not_before', 'ends_at'])
      .where((is) =>
        is.or([
          is.and({ kind: 'entry', id: entry_id }),
          is.and({ kind: 'spiffe-id', id: spiffeId }),
          is.and({ kind: 'owner', id: owner }),
        ]),
      )
      .orderBy('number')
      .execute()
    const fact = facts.find((one) => isOfKey(one, entry))
    if (fact === undefined) continue
    const revoked_at = fact.not_before * 1000
    await db.insertInto('revoked_keys').values({ entry_id, revoked_at }).execute()
  }
}

function isOfKey({ kind, not_before, ends_at }: FactRow, entry: KeyedEntry): boolean {
  const { createdAt, expiresAt = Infinity, disabledAt = Infinity, enabledAt = createdAt } = entry
  const at = not_before * 1000
  if (at < createdAt) return false
  // Nothing but a revocation was made to last as long as a key, and no more than that was undone with its entry.
  if (ends_at * 1000 >= expiresAt) return true
  const isOfDisabling = kind !== 'owner' && at >= disabledAt && at <= disabledAt + 1000
  return at >= enabledAt && !isOfDisabling
}

import type { Kysely } from 'kysely'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/** What the server keeps about itself: one short text a name. */
export async function getSetting(db: Kysely<Schema>, name: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('settings')
    .select('value')
    .where('name', '=', name)
    .executeTakeFirst()
  return row?.value
}

export async function putSetting(
  tx: Pick<WriteTx, 'db'>,
  name: string,
  value: string,
): Promise<void> {
  await tx.db
    .insertInto('settings')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute()
}

/** Keeps `value` where there is none yet; resolves with what is kept. */
export async function settleSetting(
  db: Kysely<Schema>,
  name: string,
  value: string,
): Promise<string> {
  await db
    .insertInto('settings')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  return (await getSetting(db, name)) ?? value
}

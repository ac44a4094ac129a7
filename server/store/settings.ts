import type { Kysely } from 'kysely'
import { CountersignError } from '../../src/errors.ts'
import { sealOf } from './row-seal.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/** What the server keeps about itself: one short text a name. Undefined too where somebody else has written it. */
export async function getSetting(db: Kysely<Schema>, name: string): Promise<string | undefined> {
  const row = await rowOf(db, name)
  if (row === undefined) return undefined
  return sealOf(db).holds(row.mac, 'settings', name, row.value) ? row.value : undefined
}

/** What stands there, whoever has written it: fit for the text of a refusal, and never to be believed. */
export async function peekSetting(db: Kysely<Schema>, name: string): Promise<string | undefined> {
  return (await rowOf(db, name))?.value
}

function rowOf(
  db: Kysely<Schema>,
  name: string,
): Promise<{ readonly value: string; readonly mac: string } | undefined> {
  return db
    .selectFrom('settings')
    .select(['value', 'mac'])
    .where('name', '=', name)
    .executeTakeFirst()
}

export async function putSetting(
  { db }: Pick<WriteTx, 'db'>,
  name: string,
  value: string,
): Promise<void> {
  const mac = sealOf(db).mac('settings', name, value)
  await db
    .insertInto('settings')
    .values({ name, value, mac })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value, mac }))
    .execute()
}

/** Keeps `value` where there is none yet; resolves with what is kept. Throws `conflict` / `store-seal` where that is not ours. */
export async function settleSetting(
  db: Kysely<Schema>,
  name: string,
  value: string,
): Promise<string> {
  await db
    .insertInto('settings')
    .values({ name, value, mac: sealOf(db).mac('settings', name, value) })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  const kept = await getSetting(db, name)
  if (kept !== undefined) return kept
  throw new CountersignError(
    'conflict',
    `the data was written under another wrapping key, or its setting ${name} was changed`,
    {
      reason: 'store-seal',
      fix: 'give the server the wrapping key that it had when this data was written; else restore the last backup',
    },
  )
}

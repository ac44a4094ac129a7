import type { Kysely } from 'kysely'
import type { Schema } from '../store/schema.ts'
import { getSetting, putSetting } from '../store/settings.ts'
import type { Store } from '../store/store.ts'

const name = 'ca-latest-time'

/** The latest time that any run of the server has signed by, ISO 8601 in the store; undefined before the first. */
export async function loadLatestTime(db: Kysely<Schema>): Promise<Date | undefined> {
  const text = await getSetting(db, name)
  const ms = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(ms) ? undefined : new Date(ms)
}

export async function saveLatestTime(store: Store, time: Date): Promise<void> {
  await store.write((tx) => putSetting(tx, name, time.toISOString()))
}

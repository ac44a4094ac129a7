import type { Kysely } from 'kysely'
import { chunksOf, places, prepared } from './prepared.ts'
import type { Schema } from './schema.ts'
import { getSetting, putSetting } from './settings.ts'
import type { WriteTx } from './store.ts'

/** A copy of one line of a server's audit trail. */
export interface AuditRecord {
  /** Its place in the chain, from 1. */
  readonly number: number
  /** Lower-case hex of the SHA-256 that the line ends with. */
  readonly hash: string
  /** The line as it stands in the file, without its newline. */
  readonly line: string
}

const insertRecords = prepared((db, size) =>
  db
    .insertInto('audit_records')
    .values(places(size, { chain: '', number: 0, hash: '', line: '' }))
    .onConflict((conflict) => conflict.doNothing()),
)

/** Appends to the copy of the chain, and keeps the newest `keep` of it. */
export async function appendAuditRecords(
  tx: WriteTx,
  chain: string,
  records: readonly AuditRecord[],
  keep: number,
): Promise<void> {
  for (const chunk of chunksOf(records)) {
    const parameters = chunk.flatMap(({ number, hash, line }) => [chain, number, hash, line])
    await insertRecords(tx.db, chunk.length, parameters)
  }
  const last = records.at(-1)
  if (last === undefined || last.number <= keep) return
  await tx.db
    .deleteFrom('audit_records')
    .where('chain', '=', chain)
    .where('number', '<=', last.number - keep)
    .execute()
}

/** The last record of the chain that was copied. */
export async function lastAuditRecord(
  db: Kysely<Schema>,
  chain: string,
): Promise<Pick<AuditRecord, 'number' | 'hash'> | undefined> {
  return db
    .selectFrom('audit_records')
    .select(['number', 'hash'])
    .where('chain', '=', chain)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** In the transaction that the records up to `number` speak of: they are kept where it is, and only there. */
export async function markRecorded(
  tx: Pick<WriteTx, 'db'>,
  chain: string,
  number: number,
): Promise<void> {
  await putSetting(tx, settingOf(chain), String(number))
}

/** The last record whose change is known to be kept; undefined for a chain that has none yet. */
export async function recordedUpTo(db: Kysely<Schema>, chain: string): Promise<number | undefined> {
  const text = await getSetting(db, settingOf(chain))
  return text === undefined ? undefined : Number(text)
}

/** Chains of which it was ever said up to where they are recorded; whoever has said it. */
export async function recordedChains(db: Kysely<Schema>): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('settings')
    .select('name')
    .where('name', 'like', `${settingPrefix}%`)
    .orderBy('name')
    .execute()
  return rows.map(({ name }) => name.slice(settingPrefix.length))
}

const settingPrefix = 'audit-recorded/'

function settingOf(chain: string): string {
  return `${settingPrefix}${chain}`
}

import type { Kysely } from 'kysely'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { isUniqueViolation } from './driver-error.ts'
import { decodeEntry, encodeEntry, naturalKey } from './entry-body.ts'
import { entryPages } from './entry-pages.ts'
import { deleteLegacyUse } from './legacy-use.ts'
import { openRows, type SealedRow } from './open-rows.ts'
import { chunksOf, places, prepared } from './prepared.ts'
import { sealOf } from './row-seal.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

export interface InsertedEntries {
  readonly inserted: readonly Entry[]
  /** From the id of a refused entry to the id of the one in its way: by natural key, or with the same id. */
  readonly conflicts: ReadonlyMap<string, string>
}

interface Row {
  readonly entry: Entry
  readonly key: string
}

const insertRows = prepared<{ id: string }>((db, size) =>
  db
    .insertInto('entries')
    .values(places(size, { id: '', natural_key: '', body: '', mac: '' }))
    .onConflict((conflict) => conflict.doNothing())
    .returning('id'),
)

const findTaken = prepared<{ id: string; natural_key: string }>((db, size) =>
  db
    .selectFrom('entries')
    .select(['id', 'natural_key'])
    .where((row) =>
      row.or([row('id', 'in', places(size, '')), row('natural_key', 'in', places(size, ''))]),
    ),
)

const updateRow = prepared<{ id: string }>((db) =>
  db
    .updateTable('entries')
    .set({ natural_key: '', body: '', mac: '' })
    .where('id', '=', '')
    .returning('id'),
)

const deleteRows = prepared<{ id: string }>((db, size) =>
  db.deleteFrom('entries').where('id', 'in', places(size, '')).returning('id'),
)

const selectRows = prepared<SealedRow>((db, size) =>
  db.selectFrom('entries').select(['id', 'body', 'mac']).where('id', 'in', places(size, '')),
)

/** Inserts what is not there yet, and numbers it in the change log. A refused entry refuses no other. */
export async function insertEntries(
  tx: WriteTx,
  entries: readonly Entry[],
): Promise<InsertedEntries> {
  const inserted: Entry[] = []
  const refused: Row[] = []
  const seen = new Set<string>()
  const rows: Row[] = []
  for (const entry of entries) {
    const row = { entry, key: naturalKey(entry) }
    if (seen.has(entry.id)) refused.push(row)
    else rows.push(row)
    seen.add(entry.id)
  }
  for (const chunk of chunksOf(rows)) {
    const parameters = chunk.flatMap((row) => [row.entry.id, ...columnsOf(tx, row)])
    const kept = new Set((await insertRows(tx.db, chunk.length, parameters)).map((row) => row.id))
    for (const row of chunk) {
      if (kept.has(row.entry.id)) inserted.push(row.entry)
      else refused.push(row)
    }
  }
  const conflicts = await findConflicts(tx, refused)
  await tx.changeEntries(new Map(inserted.map((entry) => [entry.id, entry])))
  return { inserted, conflicts }
}

async function findConflicts(
  tx: WriteTx,
  refused: readonly Row[],
): Promise<ReadonlyMap<string, string>> {
  const conflicts = new Map<string, string>()
  for (const chunk of chunksOf(refused)) {
    const ids = chunk.map((row) => row.entry.id)
    const keys = chunk.map((row) => row.key)
    const taken = await findTaken(tx.db, chunk.length, [...ids, ...keys])
    const byKey = new Map(taken.map((row) => [row.natural_key, row.id]))
    const byId = new Set(taken.map((row) => row.id))
    for (const { entry, key } of chunk) {
      const other = byKey.get(key) ?? (byId.has(entry.id) ? entry.id : undefined)
      if (other === undefined) throw raced()
      conflicts.set(entry.id, other)
    }
  }
  return conflicts
}

/** Another server has deleted, in between, what was in the way. */
function raced(): CountersignError {
  return new CountersignError('conflict', 'the entries were changed at the same time', {
    reason: 'entry-raced',
    retryAfterMs: 50,
  })
}

/**
 * Replaces the entries with these ids; resolves with the ids that there were, and numbers those in
 * the change log. Throws `exists` / `entry-exists` where one would become like another.
 */
export async function updateEntries(
  tx: WriteTx,
  entries: readonly Entry[],
): Promise<ReadonlySet<string>> {
  const updated = new Map<string, Entry>()
  for (const entry of entries) {
    const row = { entry, key: naturalKey(entry) }
    const found = await updateRow(tx.db, 1, [...columnsOf(tx, row), entry.id]).catch((error) => {
      throw isUniqueViolation(error) ? alike(entry.id, error) : error
    })
    if (found.length > 0) updated.set(entry.id, entry)
  }
  await tx.changeEntries(updated)
  return new Set(updated.keys())
}

function alike(id: string, cause: unknown): CountersignError {
  return new CountersignError(
    'exists',
    `another entry has the SPIFFE ID, parent and selectors that entry ${id} would get`,
    { reason: 'entry-exists', cause },
  )
}

function columnsOf({ db }: WriteTx, { entry, key }: Row): readonly [string, string, string] {
  const body = encodeEntry(entry)
  return [key, body, sealOf(db).mac('entries', entry.id, body)]
}

/** With what is known of them beside; resolves with the ids that there were, and numbers those in the change log. */
export async function deleteEntries(
  tx: WriteTx,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const deleted = new Map<string, undefined>()
  for (const chunk of chunksOf(ids)) {
    for (const row of await deleteRows(tx.db, chunk.length, chunk)) deleted.set(row.id, undefined)
    await deleteLegacyUse(tx, chunk)
  }
  await tx.changeEntries(deleted)
  return new Set(deleted.keys())
}

/** Those whose id begins with these letters, in no order. Throws `internal` / `store-corrupt`. */
export async function loadEntriesBeginning(db: Kysely<Schema>, letters: string): Promise<Entry[]> {
  const rows = await db
    .selectFrom('entries')
    .select('id')
    .where('id', 'like', `${letters}%`)
    .execute()
  return loadEntries(
    db,
    rows.map(({ id }) => id),
  )
}

/** All entries, or those of `ids` that there are, in no order. Throws `internal` / `store-corrupt`. */
export async function loadEntries(db: Kysely<Schema>, ids?: readonly string[]): Promise<Entry[]> {
  const entries: Entry[] = []
  if (ids === undefined) {
    for await (const page of entryPages(db)) entries.push(...page)
    return entries
  }
  for (const chunk of chunksOf([...new Set(ids)])) {
    const rows = await selectRows(db, chunk.length, chunk)
    entries.push(...openRows(db, 'entries', rows, decodeEntry))
  }
  return entries
}

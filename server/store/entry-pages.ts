import type { Kysely } from 'kysely'
import type { Entry } from '../../src/entry/entry.ts'
import { decodeEntry } from './entry-body.ts'
import { openRows, type SealedRow } from './open-rows.ts'
import { prepared } from './prepared.ts'
import type { Schema } from './schema.ts'

/** The text of a query that selects row, id, body and mac of the rows after its first parameter, at most as many as its second. */
export interface EntryQuery {
  readonly sql: string
  readonly pageSize: number
}

/** Rows of entries, read and looked at beside this thread. */
export interface CheckedPage {
  /** Those whose MAC holds. */
  readonly bodies: readonly string[]
  /** All others, for this thread to look at. */
  readonly doubted: readonly SealedRow[]
  /** The row that the page ends with. */
  readonly last: number
}

export interface PagesBeside {
  readonly pages: AsyncIterator<CheckedPage>
  stop(): Promise<unknown>
}

const pageSize = 2000
/** Fewer are read sooner than a thread begins. */
const worthThread = 8000

const selectPage = prepared<SealedRow & { row: number }>(pageQuery)

function pageQuery(db: Kysely<Schema>) {
  return db
    .selectFrom('entries')
    .select(['row', 'id', 'body', 'mac'])
    .where('row', '>', 0)
    .orderBy('row')
    .limit(pageSize)
}

/** Begins to read all entries beside this thread, where there are many and it can be done. */
export async function readManyBeside(
  db: Kysely<Schema>,
  read: (query: EntryQuery) => PagesBeside,
): Promise<PagesBeside | undefined> {
  const last = await db
    .selectFrom('entries')
    .select('row')
    .orderBy('row', 'desc')
    .limit(1)
    .execute()
  if ((last[0]?.row ?? 0) < worthThread) return undefined
  const query = { sql: pageQuery(db).compile().sql, pageSize }
  try {
    return read(query)
  } catch {
    // There may be no more threads to have; this one reads what no other does.
    return undefined
  }
}

/**
 * All entries, in no order, in pages: so that neither the texts of all rows are held at once nor the
 * thread is. What the other thread leaves undone this one does. Throws `internal` / `store-corrupt`.
 */
export async function* entryPages(
  db: Kysely<Schema>,
  beside?: PagesBeside,
): AsyncGenerator<Entry[]> {
  let after = 0
  for (;;) {
    const page = await takeBeside(db, beside)
    if (page === undefined) break
    after = page.last
    yield page.entries
  }
  for (;;) {
    const page = await selectPage(db, 1, [after, pageSize])
    const last = page.at(-1)
    if (last === undefined) return
    after = last.row
    yield openRows(db, 'entries', page, decodeEntry)
  }
}

/** Undefined where there is nothing more, or anything is wrong: this thread's own reading says what. */
async function takeBeside(
  db: Kysely<Schema>,
  beside: PagesBeside | undefined,
): Promise<{ readonly entries: Entry[]; readonly last: number } | undefined> {
  try {
    const next = await beside?.pages.next()
    if (next === undefined || next.done === true) return undefined
    const { bodies, doubted, last } = next.value
    const entries = bodies.map(decodeEntry)
    return { entries: [...entries, ...openRows(db, 'entries', doubted, decodeEntry)], last }
  } catch {
    return undefined
  }
}

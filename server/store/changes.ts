import type { Kysely } from 'kysely'
import { chunksOf, places, prepared } from './prepared.ts'
import type { ChangeKind, Schema } from './schema.ts'

/** One line of the change log: `ref` is the id of the row that was written or deleted. */
export interface Change {
  readonly number: number
  readonly kind: ChangeKind
  readonly ref: string
}

const takeNumbers = prepared<{ number: number }>((db) =>
  db
    .updateTable('change_counter')
    .set((row) => ({ number: row('number', '+', 1) }))
    .where('id', '=', 1)
    .returning('number'),
)

const insertChanges = prepared((db, size) =>
  db.insertInto('changes').values(places(size, { number: 0, kind: 'entry', ref: '' })),
)

/**
 * Numbers the refs one after the other; resolves with the last number. The counter's row stays
 * locked until the transaction ends, so that the order of numbers is the order of commits, and a
 * transaction that is rolled back gives its numbers back.
 */
export async function appendChanges(
  db: Kysely<Schema>,
  kind: ChangeKind,
  refs: readonly string[],
): Promise<number> {
  const [row] = await takeNumbers(db, 1, [refs.length, 1])
  if (row === undefined) throw new Error('the change counter is missing')
  let number = row.number - refs.length
  for (const chunk of chunksOf(refs)) {
    const parameters: unknown[] = []
    for (const ref of chunk) {
      number += 1
      parameters.push(number, kind, ref)
    }
    await insertChanges(db, chunk.length, parameters)
  }
  return number
}

/** The number of the last change; 0 where there was none yet. */
export async function lastChange(db: Kysely<Schema>): Promise<number> {
  const row = await db
    .selectFrom('change_counter')
    .select('number')
    .where('id', '=', 1)
    .executeTakeFirstOrThrow()
  return row.number
}

/** At most `limit` changes after number `after`, in order; the first is not `after + 1` where that was pruned. */
export async function readChanges(
  db: Kysely<Schema>,
  after: number,
  limit: number,
): Promise<Change[]> {
  return db
    .selectFrom('changes')
    .select(['number', 'kind', 'ref'])
    .where('number', '>', after)
    .orderBy('number')
    .limit(limit)
    .execute()
}

/** Forgets the changes up to this number, and at most `limit` of them; resolves with how many went. */
export async function pruneChanges(
  db: Kysely<Schema>,
  upTo: number,
  limit: number,
): Promise<number> {
  const oldest = await db
    .selectFrom('changes')
    .select('number')
    .orderBy('number')
    .limit(1)
    .executeTakeFirst()
  if (oldest === undefined || oldest.number > upTo) return 0
  const result = await db
    .deleteFrom('changes')
    .where('number', '<=', Math.min(upTo, oldest.number + limit - 1))
    .executeTakeFirst()
  return Number(result.numDeletedRows)
}

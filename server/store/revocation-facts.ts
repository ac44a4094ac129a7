import type { Kysely } from 'kysely'
import {
  emptyHead,
  type Fact,
  type FactKind,
  type Head,
  headAfter,
  type NumberedFact,
} from '../../src/revocation/fact.ts'
import { chunksOf, places, prepared } from './prepared.ts'
import { sealOf } from './row-seal.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/** A fact as it is kept: with the hash of all facts up to it. */
export interface StoredFact extends NumberedFact {
  readonly hash: string
}

type Row = Schema['revocation_facts']

const columns = ['number', 'kind', 'id', 'not_before', 'ends_at', 'hash', 'mac'] as const

const insertRows = prepared((db, size) =>
  db.insertInto('revocation_facts').values(
    places(size, {
      ...{ number: 0, kind: 'token', id: '' },
      ...{ not_before: 0, ends_at: 0, hash: '', mac: '' },
    }),
  ),
)

/** Adds facts at the end of the chain, each with a number of the change log; resolves with the last number. */
export async function insertFacts(tx: WriteTx, facts: readonly Fact[]): Promise<number> {
  if (facts.length === 0) return 0
  // The numbers first: whoever has them is alone until the transaction ends, and what he reads then is the end.
  const last = await tx.change(
    'revocation',
    facts.map(({ kind, id }) => `${kind} ${id}`),
  )
  let head = await factHead(tx.db)
  let number = last - facts.length
  for (const chunk of chunksOf(facts)) {
    const parameters: unknown[] = []
    for (const fact of chunk) {
      number += 1
      head = headAfter(head, { ...fact, number })
      const { kind, id, notBefore, endsAt } = fact
      const parts = [String(number), kind, id, String(notBefore), String(endsAt), head.hash]
      const mac = sealOf(tx.db).mac('revocation_facts', ...parts)
      parameters.push(number, kind, id, notBefore, endsAt, head.hash, mac)
    }
    await insertRows(tx.db, chunk.length, parameters)
  }
  return last
}

/** Where the chain ends. The last fact is kept also when it has ended. */
export async function factHead(db: Kysely<Schema>): Promise<Head> {
  const row = await db
    .selectFrom('revocation_facts')
    .select(['number', 'hash'])
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ?? emptyHead
}

export interface FactPage {
  readonly facts: readonly StoredFact[]
  /** The number up to which rows were read, refused ones too. */
  readonly last: number
  readonly more: boolean
}

/** At most `limit` facts after this number, in order; without those whose row somebody else has written. */
export async function factsAfter(
  db: Kysely<Schema>,
  after: number,
  limit: number,
): Promise<FactPage> {
  const rows = await db
    .selectFrom('revocation_facts')
    .select(columns)
    .where('number', '>', after)
    .orderBy('number')
    .limit(limit)
    .execute()
  const last = rows.at(-1)?.number ?? after
  return { facts: rows.flatMap((row) => open(db, row)), last, more: rows.length === limit }
}

function open(db: Kysely<Schema>, row: Row): readonly StoredFact[] {
  const { number, kind, id, not_before: notBefore, ends_at: endsAt, hash, mac } = row
  const parts = [String(number), kind, id, String(notBefore), String(endsAt), hash]
  if (!sealOf(db).holds(mac, 'revocation_facts', ...parts)) return []
  return [{ number, kind: kind as FactKind, id, notBefore, endsAt, hash }]
}

/** Forgets facts that ended before this instant, but never the last one; resolves with how many went. */
export async function pruneFacts(tx: WriteTx, now: Date): Promise<number> {
  const { number } = await factHead(tx.db)
  const result = await tx.db
    .deleteFrom('revocation_facts')
    .where('ends_at', '<', Math.floor(now.getTime() / 1000))
    .where('number', '<', number)
    .executeTakeFirst()
  return Number(result.numDeletedRows)
}

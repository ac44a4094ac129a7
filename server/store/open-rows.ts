import type { Kysely } from 'kysely'
import { CountersignError } from '../../src/errors.ts'
import { type SealedTable, sealOf } from './row-seal.ts'
import type { Schema } from './schema.ts'

export interface SealedRow {
  readonly id: string
  readonly body: string
  readonly mac: string
}

/**
 * Decodes the rows whose MAC holds; the others are refused, and told of by the seal. `columns` gives
 * what is believed beside the body. A row that is ours and cannot be read is never left out in
 * silence: `internal` / `store-corrupt`.
 */
export function openRows<R extends SealedRow, T>(
  db: Kysely<Schema>,
  table: SealedTable,
  rows: readonly R[],
  decode: (body: string) => T,
  columns?: (row: R) => readonly string[],
): T[] {
  const seal = sealOf(db)
  const opened: T[] = []
  for (const row of rows) {
    const { id, body, mac } = row
    const holds =
      columns === undefined
        ? seal.holds(mac, table, id, body)
        : seal.holds(mac, table, id, ...columns(row), body)
    if (holds) opened.push(readBody(table, row, decode))
  }
  return opened
}

function readBody<T>(table: string, row: SealedRow, decode: (body: string) => T): T {
  try {
    return decode(row.body)
  } catch (error) {
    throw new CountersignError('internal', `a row of ${table} cannot be read: ${row.id}`, {
      reason: 'store-corrupt',
      fix: 'stop the server and restore the last backup',
      cause: error,
    })
  }
}

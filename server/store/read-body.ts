import { CountersignError } from '../../src/errors.ts'

/** Decodes a row's text. A row that cannot be read is never left out in silence: `internal` / `store-corrupt`. */
export function readBody<T>(
  table: string,
  row: { readonly id: string; readonly body: string },
  decode: (body: string) => T,
): T {
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

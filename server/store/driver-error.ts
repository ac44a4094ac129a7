import { CountersignError } from '../../src/errors.ts'

function driverCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** A row with this key is there already; SQLite's and PostgreSQL's word for it. */
export function isUniqueViolation(error: unknown): boolean {
  const code = driverCode(error)
  return (
    code === 'SQLITE_CONSTRAINT_UNIQUE' ||
    code === 'SQLITE_CONSTRAINT_PRIMARYKEY' ||
    code === '23505'
  )
}

/** Another process holds SQLite's write lock, and the driver did not wait for it. */
export function isBusy(error: unknown): boolean {
  return driverCode(error)?.startsWith('SQLITE_BUSY') === true
}

const unwritableCode =
  /^(?:SQLITE_(?:FULL|IOERR|READONLY|CANTOPEN|BUSY|LOCKED|NOMEM|PERM|PROTOCOL)|(?:08|53|57P|58)[0-9A-Z]|40001$|40P01$)/
/** PostgreSQL has waited for another writer itself, for as long as it was told. */
const lockTimeoutCode = '55P03'
/** A table or a column that this program's statements name is not there. */
const otherSchemaCode = /^42(?:P01|703)$/
const corruptCode = /^(?:SQLITE_(?:CORRUPT|NOTADB)|XX00[12]$)/

/**
 * Our error for what a driver throws: `unavailable` / `store-unwritable` or `store-busy` where another try may work,
 * `conflict` / `store-version` where another version has changed the tables meanwhile, `internal` / `store-corrupt` for a
 * damaged file. Everything else is handed back as it is.
 */
export function fromDriver(error: unknown): unknown {
  const code = driverCode(error)
  if (code === undefined || error instanceof CountersignError) return error
  if (code === lockTimeoutCode) return busy(error)
  if (isOtherSchema(code, error)) return otherVersion(error)
  if (unwritableCode.test(code)) return unwritable(error)
  if (!corruptCode.test(code)) return error
  return new CountersignError('internal', 'the data file is damaged', {
    reason: 'store-corrupt',
    fix: 'stop the server and restore the last backup',
    cause: error,
  })
}

function isOtherSchema(code: string, error: unknown): boolean {
  if (otherSchemaCode.test(code)) return true
  return code === 'SQLITE_ERROR' && /^no such (?:table|column): /.test((error as Error).message)
}

function otherVersion(cause: unknown): CountersignError {
  return new CountersignError('conflict', 'the tables of the store are those of another version', {
    reason: 'store-version',
    fix: 'a newer server has used this database: stop this one, and start the newer version in its place',
    cause,
  })
}

export function busy(cause: unknown): CountersignError {
  return new CountersignError('unavailable', 'another process holds the database', {
    reason: 'store-busy',
    retryAfterMs: 1000,
    cause,
  })
}

export function unwritable(cause: unknown): CountersignError {
  return new CountersignError('unavailable', 'the store cannot be written at the moment', {
    reason: 'store-unwritable',
    fix: 'look for a full or failing disk under the data folder',
    retryAfterMs: 1000,
    cause,
  })
}

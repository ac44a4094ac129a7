import { unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { type DialectAdapter, Kysely, SqliteAdapter, SqliteDialect } from 'kysely'
import type { Connections } from './connections.ts'
import type { PagesBeside } from './entry-pages.ts'
import { preparePrivateFile } from './file-mode.ts'
import type { Schema } from './schema.ts'
import { readInThread } from './sqlite-thread.ts'

/** How long the thread stands still for another process's lock; longer waits are the caller's, asleep. */
const busyTimeoutMs = 10
const maxStatements = 256

/** Opens or creates a file. Throws as `preparePrivateFile`, or what the driver throws. */
export function openSqlite(path: string): Connections {
  preparePrivateFile(path)
  const writing = new SqliteDatabase(path, { timeout: busyTimeoutMs })
  try {
    // Readers go on while a transaction is open, and what is acknowledged survives a power cut.
    const mode = writing.pragma('journal_mode = WAL', { simple: true })
    if (mode !== 'wal') throw new Error(`the file system does not support WAL: ${String(mode)}`)
    writing.pragma('synchronous = FULL')
    writing.pragma('foreign_keys = ON')
    writing.pragma('wal_autocheckpoint = 2000')
    writing.pragma('journal_size_limit = 67108864')
    const reading = new SqliteDatabase(path, { readonly: true, timeout: busyTimeoutMs })
    for (const database of [writing, reading]) {
      // The schema of a file that somebody else could have written runs no function for them.
      database.pragma('trusted_schema = OFF')
      database.pragma('cell_size_check = ON')
      database.pragma('cache_size = -32768')
    }
    return connect(path, writing, reading)
  } catch (error) {
    writing.close()
    throw error
  }
}

function connect(
  path: string,
  writing: SqliteDatabase.Database,
  reading: SqliteDatabase.Database,
): Connections {
  const beside = new Set<PagesBeside>()
  return {
    writer: new Kysely<Schema>({ dialect: dialectOf(writing, prepareInTransaction(writing)) }),
    reader: new Kysely<Schema>({ dialect: dialectOf(reading, prepareCached(reading)) }),
    takeConsent: () => takeConsent(path),
    readBeside(query, sealKey) {
      const pages = readInThread(query, path, sealKey)
      beside.add(pages)
      return pages
    },
    // The last to close moves the WAL into the file, which a read-only connection cannot.
    async close() {
      for (const pages of beside) await pages.stop()
      reading.close()
      writing.close()
    },
  }
}

const sealExistingFile = 'seal-existing-rows'

/** Whether the operator has made the file beside the database that says so; it is gone then. */
function takeConsent(path: string): boolean {
  try {
    unlinkSync(join(dirname(path), sealExistingFile))
    return true
  } catch {
    return false
  }
}

type Prepare = (sql: string) => SqliteDatabase.Statement<unknown[]>

function dialectOf(database: SqliteDatabase.Database, prepare: Prepare): SqliteDialect {
  return new TransactionalDdlDialect({ database: { prepare, close: () => database.close() } })
}

/** SQLite can roll back DDL; Kysely's dialect says that it cannot, and would migrate without a transaction. */
class TransactionalDdlDialect extends SqliteDialect {
  override createAdapter(): DialectAdapter {
    return new TransactionalDdlAdapter()
  }
}

class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

/** Keeps the statements used last, as parsing a wide one costs more than running it. */
function prepareCached(database: SqliteDatabase.Database): Prepare {
  const statements = new Map<string, SqliteDatabase.Statement<unknown[]>>()
  return (sql) => {
    const statement = statements.get(sql) ?? database.prepare<unknown[]>(sql)
    statements.delete(sql)
    statements.set(sql, statement)
    if (statements.size > maxStatements) {
      for (const oldest of statements.keys()) {
        statements.delete(oldest)
        break
      }
    }
    return statement
  }
}

/**
 * On some failures (disk full, I/O) SQLite ends the transaction by itself, after which a statement
 * would commit alone, unaudited and unnumbered. Nothing but the begin of a transaction runs outside
 * of one, and it takes the write lock at once: a later upgrade can fail where another process wrote.
 */
function prepareInTransaction(database: SqliteDatabase.Database): Prepare {
  const prepare = prepareCached(database)
  return (sql) => {
    if (sql === 'begin') return prepare('begin immediate')
    if (!database.inTransaction) throw new TransactionLostError()
    return prepare(sql)
  }
}

/** Nothing of the transaction is kept, and this statement was not run. */
class TransactionLostError extends Error {
  readonly code = 'SQLITE_IOERR'

  constructor() {
    super('the transaction is gone')
    this.name = 'TransactionLostError'
  }
}

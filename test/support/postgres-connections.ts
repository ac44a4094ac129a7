import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  PostgresDialect,
  type PostgresDialectConfig,
  PostgresDriver,
  type TransactionSettings,
} from 'kysely'
import { Pool, type PoolConfig, types } from 'pg'
import type { Connections } from '../../server/store/connections.ts'
import type { Schema } from '../../server/store/schema.ts'

// Here, and not in server/store/, until the product has a setting that names a PostgreSQL: then this file
// moves there as it is, beside sqlite.ts, with TLS and reconnecting added.

/** Any number does that nothing else in the database takes. */
const writersLock = 0x636f756e
const readers = 4

/** What a store asks of a database, of PostgreSQL. */
export function openPostgres(
  config: Pick<PoolConfig, 'host' | 'user' | 'database'> & { readonly lockTimeoutMs?: number },
  takeConsent: () => boolean = () => false,
): Connections {
  const { lockTimeoutMs = 5000, ...at } = config
  const pool = (max: number, options: string): Pool => {
    const made = new Pool({ ...at, max, options, types: { getTypeParser } })
    // Where a connection breaks, what runs on it fails, or what is begun on it next: an `error` that
    // nobody hears would end the process. An idle one is taken out of the pool.
    made.on('error', () => {})
    made.on('connect', (client) => client.on('error', () => {}))
    return made
  }
  const writer = new Kysely<Schema>({
    dialect: new SerialWriterDialect({ pool: pool(1, `-c lock_timeout=${lockTimeoutMs}`) }),
  })
  const reader = new Kysely<Schema>({
    dialect: new PostgresDialect({ pool: pool(readers, '-c default_transaction_read_only=on') }),
  })
  return {
    writer,
    reader,
    takeConsent,
    async close() {
      await Promise.all([reader.destroy(), writer.destroy()])
    },
  }
}

const int8 = 20

/** `pg` gives 64-bit integers as text: ours are counts and milliseconds, which a number holds. */
const getTypeParser: typeof types.getTypeParser = (id: number, format?: 'text' | 'binary') =>
  id === int8 ? safeInteger : types.getTypeParser(id, format as 'text')

function safeInteger(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number)) throw new RangeError(`not a safe integer: ${text}`)
  return number
}

class SerialWriterDialect extends PostgresDialect {
  readonly #config: PostgresDialectConfig

  constructor(config: PostgresDialectConfig) {
    super(config)
    this.#config = config
  }

  override createDriver(): Driver {
    return new SerialWriterDriver(this.#config)
  }
}

/**
 * One writer at a time among all servers, as with SQLite: a job may decide by what it has read, and
 * two jobs cannot wait for each other's rows. The lock goes with the transaction, however that ends.
 */
class SerialWriterDriver extends PostgresDriver {
  override async beginTransaction(
    connection: DatabaseConnection,
    settings: TransactionSettings,
  ): Promise<void> {
    await super.beginTransaction(connection, settings)
    try {
      await connection.executeQuery(
        CompiledQuery.raw(`select pg_advisory_xact_lock(${writersLock})`),
      )
    } catch (error) {
      await connection.executeQuery(CompiledQuery.raw('rollback'))
      throw error
    }
  }
}

import { type Kysely, SqliteAdapter, sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { CountersignError } from '../../src/errors.ts'
import { decodeEntry, naturalKey } from './entry-body.ts'
import {
  addIssuedGrantFromKey,
  addIssuedTokenText,
  createIssuedTokens,
  gatherIssuedTokens,
  indexExchangedGrants,
  narrowIssuedTokenSubjects,
} from './migrate-issued-tokens.ts'
import { createRevokedKeys } from './migrate-revoked-keys.ts'
import { type SealedTable, sealOf } from './row-seal.ts'
import type { Schema } from './schema.ts'

/** Sorted by name; one that has been released is never edited, the next one changes what it made. */
const migrations = (maySeal: boolean): Readonly<Record<string, Migration>> => ({
  '0001-core': { up: createCoreTables },
  '0002-audit-records': { up: createAuditRecords },
  '0003-entry-columns': { up: narrowEntries },
  '0004-federation': { up: createFederation },
  '0005-row-seals': { up: (db) => sealRows(db, maySeal) },
  '0006-used-tokens': { up: createUsedTokens },
  '0007-issued-tokens': { up: createIssuedTokens },
  '0008-revocation-facts': { up: createRevocationFacts },
  '0009-policy-sets': { up: createPolicySets },
  '0010-issued-token-address': { up: (db) => addIssuedTokenText(db, 'address') },
  '0011-legacy-use': { up: createLegacyUse },
  '0012-event-outbox': { up: createEventOutbox },
  '0013-bundle-confirmations': { up: createBundleConfirmations },
  '0014-issued-token-rule': { up: (db) => addIssuedTokenText(db, 'rule') },
  '0015-issued-token-subjects': { up: narrowIssuedTokenSubjects },
  '0016-issued-token-key': { up: (db) => addIssuedTokenText(db, 'key_id') },
  '0017-issued-grants': { up: gatherIssuedTokens },
  // Nothing is made: a program of before, which would serve entries that are disabled, must not be started on this.
  '0018-disabled-entries': { up: async () => {} },
  '0019-revoked-keys': { up: createRevokedKeys },
  '0020-issued-grant-from-key': { up: addIssuedGrantFromKey },
  '0021-exchanged-grants': { up: indexExchangedGrants },
})

/**
 * Brings the tables to this program's version. `db` is a transaction, so that a crash leaves either
 * all of it or nothing. Throws `conflict`: `store-version` where a newer program has been here,
 * `store-unsealed` where there are rows without a MAC and `maySeal` is false.
 */
export async function migrate(db: Kysely<Schema>, maySeal: boolean): Promise<void> {
  const provider = { getMigrations: async () => migrations(maySeal) }
  const migrator = new Migrator({ db, provider })
  const { error, results } = await migrator.migrateToLatest()
  if (error === undefined) return
  if (error instanceof CountersignError) throw error
  // Without a result nothing was tried: the list of what has run does not fit this program's.
  if (results === undefined || results.length === 0) {
    throw new CountersignError('conflict', 'the data file was written by another version', {
      reason: 'store-version',
      fix: 'start the newest version that has used it, or restore a backup from before',
      cause: error,
    })
  }
  throw error
}

async function createCoreTables(db: Kysely<Schema>): Promise<void> {
  const { schema } = db
  // In SQLite a primary key of just this type is the place of the row in the file, not another index.
  const sqlite = db.getExecutor().adapter instanceof SqliteAdapter
  await schema
    .createTable('settings')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('change_counter')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('number', 'bigint', (column) => column.notNull())
    .execute()
  await db.insertInto('change_counter').values({ id: 1, number: 0 }).execute()
  await schema
    .createTable('changes')
    .addColumn('number', sqlite ? 'integer' : 'bigint', (column) => column.primaryKey())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('ref', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('entries')
    .addColumn('row', sqlite ? 'integer' : 'bigserial', (column) => column.primaryKey())
    .addColumn('id', 'text', (column) => column.notNull().unique())
    .addColumn('natural_key', 'text', (column) => column.notNull().unique())
    .addColumn('expires_at', 'bigint')
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('agents')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('bundles')
    .addColumn('trust_domain', 'text', (column) => column.primaryKey())
    .addColumn('sequence', 'text', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('authorities')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('slot', 'text', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('join_tokens')
    .addColumn('hash', 'text', (column) => column.primaryKey())
    .addColumn('agent_id', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .execute()
}

async function createAuditRecords(db: Kysely<Schema>): Promise<void> {
  await db.schema
    .createTable('audit_records')
    .addColumn('chain', 'text', (column) => column.notNull())
    .addColumn('number', 'bigint', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('line', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('audit_records_place', ['chain', 'number'])
    .execute()
}

/** Keys that lie beside those of their neighbours; and no columns that no query asks for. */
async function narrowEntries(db: Kysely<Schema>): Promise<void> {
  await db.schema.alterTable('entries').dropColumn('expires_at').execute()
  await db.schema.alterTable('entries').dropColumn('revision').execute()
  let after = 0
  for (;;) {
    const rows = await db
      .selectFrom('entries')
      .select(['row', 'body'])
      .where('row', '>', after)
      .orderBy('row')
      .limit(1000)
      .execute()
    for (const { row, body } of rows) {
      after = row
      await db
        .updateTable('entries')
        .set({ natural_key: naturalKey(decodeEntry(body)) })
        .where('row', '=', row)
        .execute()
    }
    if (rows.length === 0) return
  }
}

async function createFederation(db: Kysely<Schema>): Promise<void> {
  await db.schema
    .createTable('federation_relationships')
    .addColumn('trust_domain', 'text', (column) => column.primaryKey())
    .addColumn('body', 'text', (column) => column.notNull())
    .execute()
}

async function createUsedTokens(db: Kysely<Schema>): Promise<void> {
  await db.schema
    .createTable('used_tokens')
    .addColumn('hash', 'text', (column) => column.primaryKey())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('used_tokens_expires_at')
    .on('used_tokens')
    .column('expires_at')
    .execute()
}

/** The tables that were there before seals were, and what is believed of them. */
const sealed: Readonly<Partial<Record<SealedTable, readonly string[]>>> = {
  settings: ['name', 'value'],
  entries: ['id', 'body'],
  agents: ['id', 'body'],
  bundles: ['trust_domain', 'sequence', 'body'],
  federation_relationships: ['trust_domain', 'body'],
  authorities: ['id', 'body'],
  join_tokens: ['hash', 'agent_id', 'expires_at'],
}

/**
 * Rows from before there were MACs get one, but only where an operator says so: a database that was
 * made to look old must not have what was written into it sealed.
 */
async function sealRows(db: Kysely<Schema>, maySeal: boolean): Promise<void> {
  const seal = sealOf(db)
  for (const [table, columns] of Object.entries(sealed) as [SealedTable, readonly string[]][]) {
    await db.schema
      .alterTable(table)
      .addColumn('mac', 'text', (column) => column.notNull().defaultTo(''))
      .execute()
    const key = sql.ref(columns[0] ?? '')
    const { rows } = await sql<
      Record<string, unknown>
    >`select ${sql.join(columns.map((name) => sql.ref(name)))} from ${sql.table(table)}`.execute(db)
    if (rows.length > 0 && !maySeal) throw unsealed()
    for (const row of rows) {
      const mac = seal.mac(table, ...columns.map((name) => String(row[name])))
      await sql`update ${sql.table(table)} set mac = ${mac} where ${key} = ${row[columns[0] ?? '']}`.execute(
        db,
      )
    }
  }
}

function unsealed(): CountersignError {
  return new CountersignError('conflict', 'the data was written before rows had a seal', {
    reason: 'store-unsealed',
    fix: 'if nobody but the server could write to it, make the file seal-existing-rows beside it and start again; it is used once',
  })
}

async function createRevocationFacts(db: Kysely<Schema>): Promise<void> {
  const sqlite = db.getExecutor().adapter instanceof SqliteAdapter
  await db.schema
    .createTable('revocation_facts')
    .addColumn('number', sqlite ? 'integer' : 'bigint', (column) => column.primaryKey())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('not_before', 'bigint', (column) => column.notNull())
    .addColumn('ends_at', 'bigint', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('mac', 'text', (column) => column.notNull())
    .execute()
}

async function createPolicySets(db: Kysely<Schema>): Promise<void> {
  await db.schema
    .createTable('policy_sets')
    .addColumn('version', 'integer', (column) => column.primaryKey())
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('mac', 'text', (column) => column.notNull())
    .execute()
}

async function createLegacyUse(db: Kysely<Schema>): Promise<void> {
  await db.schema
    .createTable('legacy_use')
    .addColumn('entry_id', 'text', (column) => column.primaryKey())
    .addColumn('last_used_at', 'bigint', (column) => column.notNull())
    .execute()
}

async function createEventOutbox(db: Kysely<Schema>): Promise<void> {
  const sqlite = db.getExecutor().adapter instanceof SqliteAdapter
  await db.schema
    .createTable('event_outbox')
    .addColumn('row', sqlite ? 'integer' : 'bigserial', (column) => column.primaryKey())
    .addColumn('stream', 'text', (column) => column.notNull())
    .addColumn('jti', 'text', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('leased_until', 'bigint', (column) => column.notNull())
    .addColumn('mac', 'text', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('event_outbox_stream')
    .on('event_outbox')
    .columns(['stream', 'row'])
    .execute()
}

async function createBundleConfirmations(db: Kysely<Schema>): Promise<void> {
  await db.schema
    .createTable('bundle_confirmations')
    .addColumn('trust_domain', 'text', (column) => column.primaryKey())
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('mac', 'text', (column) => column.notNull())
    .execute()
}

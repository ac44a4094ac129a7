import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Schema } from './schema.ts'

export async function createIssuedTokens(db: Kysely<Schema>): Promise<void> {
  const text = ['txn', 'parent', 'entry_id', 'owner', 'subject', 'client_id', 'audience', 'scope']
  let table = db.schema
    .createTable('issued_tokens')
    .addColumn('jti', 'text', (column) => column.primaryKey())
  for (const name of [...text, 'auth', 'actors']) {
    table = table.addColumn(name, 'text', (column) => column.notNull())
  }
  for (const name of ['issued_at', 'expires_at']) {
    table = table.addColumn(name, 'bigint', (column) => column.notNull())
  }
  await table.execute()
  for (const name of ['expires_at', 'client_id', 'subject'] as const) {
    const index = db.schema.createIndex(`issued_tokens_${name}`).on('issued_tokens')
    await index.column(name).execute()
  }
}

export async function addIssuedTokenText(
  db: Kysely<Schema>,
  name: 'address' | 'rule' | 'key_id',
): Promise<void> {
  await db.schema
    .alterTable('issued_tokens')
    .addColumn(name, 'text', (column) => column.notNull().defaultTo(''))
    .execute()
}

/** Few tokens are for another than their client: to find all by their subjects would say everything twice. */
export async function narrowIssuedTokenSubjects(db: Kysely<Schema>): Promise<void> {
  await db.schema.dropIndex('issued_tokens_subject').execute()
  const others = sql<boolean>`subject <> client_id`
  const index = db.schema.createIndex('issued_tokens_subject').on('issued_tokens')
  await index.column('subject').where(others).execute()
}

/** Tokens had a row each; those that are there become grants of one token. */
export async function gatherIssuedTokens(db: Kysely<Schema>): Promise<void> {
  let table = db.schema
    .createTable('issued_grants')
    .addColumn('id', 'text', (column) => column.primaryKey())
  const text = ['client_id', 'subject', 'entry_id', 'owner', 'audience', 'scope', 'auth', 'actors']
  for (const name of [...text, 'rule', 'key_id', 'from_audience']) {
    table = table.addColumn(name, 'text', (column) => column.notNull())
  }
  for (const name of ['from_depth', 'issued_at', 'expires_at']) {
    table = table.addColumn(name, 'bigint', (column) => column.notNull())
  }
  // Behind all that a search looks at, as it may be long.
  await table.addColumn('tokens', 'text', (column) => column.notNull()).execute()
  await sql`
    insert into issued_grants (
      id, client_id, subject, entry_id, owner, audience, scope, auth, actors, rule, key_id, from_audience, from_depth,
      issued_at, expires_at, tokens
    )
    select
      one.jti, one.client_id, one.subject, one.entry_id, one.owner, one.audience, one.scope, one.auth, one.actors,
      one.rule, one.key_id, coalesce(parent.audience, ''),
      case
        when parent.actors is null or parent.actors = '' then 0
        else 1 + length(parent.actors) - length(replace(parent.actors, ' ', ''))
      end,
      one.issued_at, one.expires_at, one.jti || ' ' || one.txn || ' ' || one.address || ' ' || one.parent
    from issued_tokens as one left join issued_tokens as parent on parent.jti = one.parent
  `.execute(db)
  await db.schema.dropTable('issued_tokens').execute()
  const index = (name: 'expires_at' | 'client_id' | 'subject') =>
    db.schema.createIndex(`issued_grants_${name}`).on('issued_grants').column(name)
  await index('expires_at').execute()
  await index('client_id').execute()
  // Few tokens are for another than their client.
  await index('subject').where(sql<boolean>`subject <> client_id`).execute()
}

export async function addIssuedGrantFromKey(db: Kysely<Schema>): Promise<void> {
  await db.schema
    .alterTable('issued_grants')
    .addColumn('from_key_id', 'text', (column) => column.notNull().defaultTo(''))
    .execute()
}

/** They are looked for at each revocation of a token. Of one that a version before has issued, what it was exchanged for may be unknown. */
export const isExchanged: RawBuilder<boolean> = sql<boolean>`(from_audience <> '' or actors <> '')`

export async function indexExchangedGrants(db: Kysely<Schema>): Promise<void> {
  const index = db.schema.createIndex('issued_grants_exchanged').on('issued_grants')
  await index.column('id').where(isExchanged).execute()
}

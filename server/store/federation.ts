import type { Kysely } from 'kysely'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { openRows } from './open-rows.ts'
import type { FederationRelationship } from './records.ts'
import { sealOf } from './row-seal.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/** Adds the relationship with this trust domain or replaces it. */
export async function putRelationship(
  tx: WriteTx,
  relationship: FederationRelationship,
): Promise<void> {
  const { trustDomain } = relationship
  const body = JSON.stringify(relationship)
  const columns = { body, mac: sealOf(tx.db).mac('federation_relationships', trustDomain, body) }
  await tx.db
    .insertInto('federation_relationships')
    .values({ trust_domain: relationship.trustDomain, ...columns })
    .onConflict((conflict) => conflict.column('trust_domain').doUpdateSet(columns))
    .execute()
}

/** False where there was none. */
export async function deleteRelationship(tx: WriteTx, trustDomain: TrustDomain): Promise<boolean> {
  const deleted = await tx.db
    .deleteFrom('federation_relationships')
    .where('trust_domain', '=', trustDomain)
    .returning('trust_domain')
    .execute()
  return deleted.length > 0
}

/** Throws `internal` / `store-corrupt`. */
export async function loadRelationship(
  db: Kysely<Schema>,
  trustDomain: TrustDomain,
): Promise<FederationRelationship | undefined> {
  const row = await db
    .selectFrom('federation_relationships')
    .select(['trust_domain as id', 'body', 'mac'])
    .where('trust_domain', '=', trustDomain)
    .executeTakeFirst()
  return row && openRows(db, 'federation_relationships', [row], decode)[0]
}

/** At most `limit`, by trust domain, from the first after `after` on. Throws `internal` / `store-corrupt`. */
export async function listRelationships(
  db: Kysely<Schema>,
  after: string,
  limit: number,
): Promise<FederationRelationship[]> {
  const rows = await db
    .selectFrom('federation_relationships')
    .select(['trust_domain as id', 'body', 'mac'])
    .where('trust_domain', '>', after)
    .orderBy('trust_domain')
    .limit(limit)
    .execute()
  return openRows(db, 'federation_relationships', rows, decode)
}

export async function countRelationships(db: Kysely<Schema>): Promise<number> {
  const { count } = await db
    .selectFrom('federation_relationships')
    .select((row) => row.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

function decode(text: string): FederationRelationship {
  return JSON.parse(text)
}

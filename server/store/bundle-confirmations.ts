import type { Kysely } from 'kysely'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { openRows } from './open-rows.ts'
import { sealOf } from './row-seal.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/** When each bundle of another trust domain was last known to be that one's. */
export type BundleConfirmations = ReadonlyMap<TrustDomain, Date>

export async function putConfirmation(
  tx: WriteTx,
  trustDomain: TrustDomain,
  at: Date,
): Promise<void> {
  const body = String(at.getTime())
  const columns = { body, mac: sealOf(tx.db).mac('bundle_confirmations', trustDomain, body) }
  await tx.db
    .insertInto('bundle_confirmations')
    .values({ trust_domain: trustDomain, ...columns })
    .onConflict((conflict) => conflict.column('trust_domain').doUpdateSet(columns))
    .execute()
}

export async function deleteConfirmation(tx: WriteTx, trustDomain: TrustDomain): Promise<void> {
  await tx.db.deleteFrom('bundle_confirmations').where('trust_domain', '=', trustDomain).execute()
}

/** All that there are. Throws `internal` / `store-corrupt`. */
export async function loadConfirmations(db: Kysely<Schema>): Promise<BundleConfirmations> {
  const rows = await db
    .selectFrom('bundle_confirmations')
    .select(['trust_domain as id', 'body', 'mac'])
    .execute()
  const decode = (body: string): Date => new Date(Number(body))
  return new Map(
    rows.flatMap((row) =>
      openRows(db, 'bundle_confirmations', [row], decode).map((at) => [row.id as TrustDomain, at]),
    ),
  )
}

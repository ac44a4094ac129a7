import type { Kysely } from 'kysely'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { openRows, type SealedRow } from './open-rows.ts'
import { chunksOf } from './prepared.ts'
import { sealOf } from './row-seal.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/**
 * Adds the bundle of a trust domain or replaces it by a later one; resolves with the number of the
 * change. Throws `conflict` / `bundle-sequence` where its sequence number does not grow, which is
 * how a bundle that has been overtaken would bring back what was taken out of it.
 */
export async function putBundle(tx: WriteTx, bundle: Bundle): Promise<number> {
  const sequence = sortable(bundle.sequence)
  const body = encode(bundle)
  const mac = sealOf(tx.db).mac('bundles', bundle.trustDomain, sequence, body)
  const columns = { sequence, body, mac }
  const put = await tx.db
    .insertInto('bundles')
    .values({ trust_domain: bundle.trustDomain, ...columns })
    .onConflict((conflict) =>
      conflict
        .column('trust_domain')
        .doUpdateSet(columns)
        .where('bundles.sequence', '<', columns.sequence),
    )
    .returning('trust_domain')
    .execute()
  if (put.length > 0) return tx.change('bundle', [bundle.trustDomain])
  throw new CountersignError('conflict', 'a bundle with this or a later sequence number is there', {
    reason: 'bundle-sequence',
  })
}

/** 64 bits have at most 20 decimal digits. */
function sortable(sequence: bigint): string {
  return BigInt.asUintN(64, sequence).toString().padStart(20, '0')
}

/** Resolves with the number of the change, 0 where there is no bundle of this trust domain. */
export async function deleteBundle(tx: WriteTx, trustDomain: TrustDomain): Promise<number> {
  const deleted = await tx.db
    .deleteFrom('bundles')
    .where('trust_domain', '=', trustDomain)
    .returning('trust_domain')
    .execute()
  return deleted.length === 0 ? 0 : tx.change('bundle', [trustDomain])
}

/** All bundles, or those of `trustDomains` that there are, in no order. Throws `internal` / `store-corrupt`. */
export async function loadBundles(
  db: Kysely<Schema>,
  trustDomains?: readonly string[],
): Promise<Bundle[]> {
  const select = db.selectFrom('bundles').select(['trust_domain as id', 'sequence', 'body', 'mac'])
  if (trustDomains === undefined) {
    return open(db, await select.execute())
  }
  const bundles: Bundle[] = []
  for (const chunk of chunksOf([...new Set(trustDomains)])) {
    const rows = await select.where('trust_domain', 'in', chunk).execute()
    bundles.push(...open(db, rows))
  }
  return bundles
}

function open(
  db: Kysely<Schema>,
  rows: readonly (SealedRow & { readonly sequence: string })[],
): Bundle[] {
  return openRows(db, 'bundles', rows, decode, ({ sequence }) => [sequence])
}

/** Bytes in base64, instants in milliseconds, the sequence number in decimal. */
interface Body {
  readonly trustDomain: TrustDomain
  readonly x509Authorities: readonly { readonly certificate: string; readonly tainted: boolean }[]
  readonly jwtAuthorities: readonly {
    readonly keyId: string
    readonly publicKey: string
    readonly expiresAt: number | null
    readonly tainted: boolean
  }[]
  readonly sequence: string
  readonly refreshHintSeconds: number
}

function encode(bundle: Bundle): string {
  const body: Body = {
    trustDomain: bundle.trustDomain,
    x509Authorities: bundle.x509Authorities.map(({ certificate, tainted }) => ({
      certificate: certificate.toString('base64'),
      tainted,
    })),
    jwtAuthorities: bundle.jwtAuthorities.map(({ keyId, publicKey, expiresAt, tainted }) => ({
      keyId,
      publicKey: publicKey.toString('base64'),
      expiresAt: expiresAt?.getTime() ?? null,
      tainted,
    })),
    sequence: bundle.sequence.toString(),
    refreshHintSeconds: bundle.refreshHintSeconds,
  }
  return JSON.stringify(body)
}

function decode(text: string): Bundle {
  const body: Body = JSON.parse(text)
  return {
    trustDomain: body.trustDomain,
    x509Authorities: body.x509Authorities.map(({ certificate, tainted }) => ({
      certificate: Buffer.from(certificate, 'base64'),
      tainted,
    })),
    jwtAuthorities: body.jwtAuthorities.map(({ keyId, publicKey, expiresAt, tainted }) => ({
      keyId,
      publicKey: Buffer.from(publicKey, 'base64'),
      expiresAt: expiresAt === null ? undefined : new Date(expiresAt),
      tainted,
    })),
    sequence: BigInt(body.sequence),
    refreshHintSeconds: body.refreshHintSeconds,
  }
}

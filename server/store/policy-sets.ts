import { type Kysely, sql } from 'kysely'
import { openRows } from './open-rows.ts'
import { sealOf } from './row-seal.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/** What an operator has put in force once. */
export interface PolicyVersion {
  /** From 1 on. */
  readonly version: number
  /** SHA-256 of names and texts, lower-case hex. */
  readonly revision: string
  readonly files: readonly { readonly name: string; readonly text: string }[]
  readonly appliedAt: Date
  /** Who, for people. */
  readonly appliedBy: string
}

/** The column's. */
const maxVersion = 0x7fffffff
/** As many are kept. */
const maxVersions = 100

/**
 * Adds a version and tells all servers; resolves with it. Where the last one is the same nothing is written, and that
 * one is the result.
 */
export async function addPolicySet(
  tx: WriteTx,
  set: Omit<PolicyVersion, 'version'>,
): Promise<PolicyVersion> {
  const before = await lastPolicySet(tx.db)
  if (before?.revision === set.revision) return before
  // The number first: whoever has it is alone until the transaction ends, and what he reads then is the last version.
  await tx.change('policy', [set.revision])
  const version = (await lastPolicyVersion(tx.db)) + 1
  const { revision, files, appliedAt, appliedBy } = set
  const body = JSON.stringify({ revision, files, appliedAt: appliedAt.getTime(), appliedBy })
  const mac = sealOf(tx.db).mac('policy_sets', String(version), body)
  await tx.db.insertInto('policy_sets').values({ version, body, mac }).execute()
  await tx.db
    .deleteFrom('policy_sets')
    .where('version', '<=', version - maxVersions)
    .execute()
  return { version, ...set }
}

/** The one in force; undefined where there is none, or none that this server's key has sealed. */
export async function lastPolicySet(db: Kysely<Schema>): Promise<PolicyVersion | undefined> {
  return (await policySets(db, { limit: 1 }))[0]
}

/** The newest first, from `version` down; rows that somebody else has written are left out. */
export async function policySets(
  db: Kysely<Schema>,
  page: { readonly version?: number; readonly limit: number },
): Promise<readonly PolicyVersion[]> {
  const { version = maxVersion, limit } = page
  const rows = await db
    .selectFrom('policy_sets')
    .select(['version', 'body', 'mac'])
    .where('version', '<=', version)
    .orderBy('version', 'desc')
    .limit(limit)
    .execute()
  const named = rows.map((row) => ({ ...row, id: String(row.version) }))
  return named.flatMap((row) =>
    openRows(db, 'policy_sets', [row], (body) => decode(row.version, body)),
  )
}

/** 0: nothing was ever applied. */
export async function lastPolicyVersion(db: Kysely<Schema>): Promise<number> {
  const row = await db
    .selectFrom('policy_sets')
    .select(sql<number | null>`max(version)`.as('version'))
    .executeTakeFirst()
  return Number(row?.version ?? 0)
}

function decode(version: number, text: string): PolicyVersion {
  const { appliedAt, ...body } = JSON.parse(text) as Omit<
    PolicyVersion,
    'appliedAt' | 'version'
  > & {
    readonly appliedAt: number
  }
  return { ...body, version, appliedAt: new Date(appliedAt) }
}

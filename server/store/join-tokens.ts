import type { Kysely } from 'kysely'
import { CountersignError } from '../../src/errors.ts'
import type { JoinTokenRecord } from './records.ts'
import { sealOf } from './row-seal.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/** Throws `exists` / `join-token-exists` where a token has this hash. */
export async function createJoinToken(tx: WriteTx, token: JoinTokenRecord): Promise<void> {
  const expiresAt = token.expiresAt.getTime()
  const created = await tx.db
    .insertInto('join_tokens')
    .values({
      hash: token.hash,
      agent_id: token.agentId,
      expires_at: expiresAt,
      mac: sealOf(tx.db).mac('join_tokens', token.hash, token.agentId, String(expiresAt)),
    })
    .onConflict((conflict) => conflict.column('hash').doNothing())
    .returning('hash')
    .execute()
  if (created.length > 0) return
  throw new CountersignError('exists', 'this join token is in use already', {
    reason: 'join-token-exists',
    fix: 'leave the token out and let the server draw one',
  })
}

/** The token with this hash, as long as it is good. */
export async function findJoinToken(
  db: Kysely<Schema>,
  hash: string,
  now: Date,
): Promise<JoinTokenRecord | undefined> {
  const row = await db
    .selectFrom('join_tokens')
    .select(['agent_id', 'expires_at', 'mac'])
    .where('hash', '=', hash)
    .executeTakeFirst()
  return row === undefined ? undefined : goodToken(db, hash, row, now)
}

/**
 * Takes the token away and resolves with it: one statement, so that of any number of callers exactly
 * one gets it. Undefined where there is none, or it has expired.
 */
export async function consumeJoinToken(
  tx: WriteTx,
  hash: string,
  now: Date,
): Promise<JoinTokenRecord | undefined> {
  const [row] = await tx.db
    .deleteFrom('join_tokens')
    .where('hash', '=', hash)
    .returning(['agent_id', 'expires_at', 'mac'])
    .execute()
  return row === undefined ? undefined : goodToken(tx.db, hash, row, now)
}

/** Undefined where it has expired, or somebody else has written it. */
function goodToken(
  db: Kysely<Schema>,
  hash: string,
  row: Omit<Schema['join_tokens'], 'hash'>,
  now: Date,
): JoinTokenRecord | undefined {
  if (row.expires_at <= now.getTime()) return undefined
  const expiresAt = String(row.expires_at)
  if (!sealOf(db).holds(row.mac, 'join_tokens', hash, row.agent_id, expiresAt)) return undefined
  return {
    hash,
    agentId: row.agent_id as JoinTokenRecord['agentId'],
    expiresAt: new Date(row.expires_at),
  }
}

/** Forgets the expired ones; resolves with how many went. */
export async function pruneJoinTokens(tx: WriteTx, now: Date): Promise<number> {
  const result = await tx.db
    .deleteFrom('join_tokens')
    .where('expires_at', '<=', now.getTime())
    .executeTakeFirst()
  return Number(result.numDeletedRows)
}

import { z } from 'zod'
import type { StoredRecord } from '../../src/audit/stored-record.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { IssuedToken } from '../store/issued-tokens.ts'

/** A canary has no client. */
const recordOfToken = z.object({
  kind: z.enum(['token.issued', 'token.exchanged']),
  actor: z.object({ id: z.string(), auth: z.string(), address: z.string().default('') }),
  jti: z.string(),
  transaction: z.string(),
  parentJti: z.string().optional(),
  entryId: z.string(),
  owner: z.string().default(''),
  spiffeId: z.string(),
  actors: z.array(z.string()).default([]),
  audience: z.tuple([z.string()]),
  scope: z.array(z.string()),
  ttlSeconds: z.number(),
  authorityId: z.string().optional(),
  expiresAt: z.coerce.date(),
  details: z.object({
    rule: z.string().optional(),
    fromAudience: z.string().optional(),
    fromDepth: z.int().optional(),
    fromKeyId: z.string().optional(),
    factsUpTo: z.int(),
  }),
})

/** What is on record of the tokens that were issued before, how far back is to be looked, and whether that was possible. */
export type ReadLastIssued = (lookBack: {
  readonly atLeast: number
  readonly withinMs: number
  readonly since: Date
  readonly maxLines: number
}) => Promise<{ readonly records: readonly StoredRecord[]; readonly isWhole: boolean }>

/** A token that another run of the server has issued. */
export interface IssuedBefore {
  readonly token: IssuedToken
  /** The number of the last fact that was known when it was issued. */
  readonly factsUpTo: number
}

/**
 * The access tokens among what was put on record, but for those that have expired by now: a server that was killed has had
 * no time to remember the last of them elsewhere.
 */
export function issuedAmong(records: readonly StoredRecord[], now: Date): readonly IssuedBefore[] {
  return records.flatMap((record) => {
    const read = recordOfToken.safeParse(record).data
    if (read === undefined || read.expiresAt <= now) return []
    return { token: tokenOf(read), factsUpTo: read.details.factsUpTo }
  })
}

function tokenOf(record: z.infer<typeof recordOfToken>): IssuedToken {
  const { jti, entryId, owner, actors, actor, expiresAt, ttlSeconds } = record
  const { rule, fromAudience, fromDepth = 0, fromKeyId } = record.details
  const [audience] = record.audience
  const from =
    fromAudience === undefined
      ? undefined
      : { audience: fromAudience, depth: fromDepth, keyId: fromKeyId }
  return {
    ...{ jti, txn: record.transaction, parent: record.parentJti, from, entryId, owner },
    ...{ subject: record.spiffeId, clientId: actor.id as SpiffeId, audience, scopes: record.scope },
    ...{ auth: actor.auth, address: actor.address, actors, rule, expiresAt },
    keyId: record.authorityId,
    issuedAt: new Date(expiresAt.getTime() - ttlSeconds * 1000),
  }
}

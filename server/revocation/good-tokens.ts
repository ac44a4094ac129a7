import type { Kysely } from 'kysely'
import type { TokenClaims } from '../../src/jwt/compact.ts'
import { nestedActors } from '../../src/jwt/nested-actors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { Slice } from '../../src/runtime/slice.ts'
import {
  type IssuedToken,
  issuedTokens,
  type ListedToken,
  type TokenFilter,
} from '../store/issued-tokens.ts'
import type { Schema } from '../store/schema.ts'
import type { Revocations } from './revocations.ts'

/**
 * The tokens that have neither expired nor been revoked, from the first after the place `after` on. Others have their turn
 * meanwhile: there may be very many.
 */
export async function* goodTokens(
  db: Kysely<Schema>,
  filter: TokenFilter,
  { clock, after }: { readonly clock: Clock; readonly after?: string | undefined },
  revocations: Pick<Revocations, 'judge'>,
): AsyncGenerator<ListedToken, void, void> {
  const slice = new Slice(clock)
  for await (const page of issuedTokens(db, filter, { now: clock.now(), after })) {
    for (const token of page) {
      if (revocations.judge(claimsOfIssued(token), token.keyId) === undefined) yield token
    }
    if (slice.isOver) await slice.rest()
  }
}

/** What the token says, as far as facts look at it. */
export function claimsOfIssued(token: IssuedToken): TokenClaims {
  const { jti, txn, subject, clientId, entryId, owner, audience, actors, issuedAt } = token
  return {
    ...{ jti, txn, sub: subject, client_id: clientId, entry_id: entryId, owner, aud: audience },
    ...{ iat: issuedAt.getTime() / 1000, act: nestedActors(actors) },
  }
}

/** Who can reach what with tokens that are good now. */
export interface Grant
  extends Pick<
    IssuedToken,
    'clientId' | 'subject' | 'audience' | 'scopes' | 'entryId' | 'owner' | 'expiresAt'
  > {
  /** How many; `expiresAt` is that of the last. */
  readonly tokens: number
}

/** In the order of client, subject and audience; of more than `limit` kinds of grant only as many, and which ones is not said. */
export async function grantsOf(
  tokens: AsyncIterable<IssuedToken>,
  limit: number,
): Promise<readonly Grant[]> {
  const grants = new Map<string, Grant>()
  for await (const token of tokens) {
    const { clientId, subject, audience, scopes, entryId, owner, expiresAt } = token
    const about = { clientId, subject, audience, scopes, entryId, owner }
    const key = JSON.stringify(Object.values(about))
    const grant = grants.get(key)
    if (grant === undefined && grants.size >= limit) continue
    const lastMs = Math.max(expiresAt.getTime(), grant?.expiresAt.getTime() ?? 0)
    grants.set(key, { ...about, tokens: (grant?.tokens ?? 0) + 1, expiresAt: new Date(lastMs) })
  }
  // By what stands first in the key.
  return [...grants].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, grant]) => grant)
}

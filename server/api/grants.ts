import type { Filter } from '../../src/rpc/gen/countersign/oauth/v1/Filter.ts'
import type { ListRequest } from '../../src/rpc/gen/countersign/oauth/v1/ListRequest.ts'
import type { ListTokensRequest } from '../../src/rpc/gen/countersign/oauth/v1/ListTokensRequest.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import type { Caller } from '../access/caller.ts'
import { openCursor, pageSizeOf, sealCursor } from '../entry/cursor.ts'
import { goodTokens, grantsOf } from '../revocation/good-tokens.ts'
import type { ListedToken, TokenFilter } from '../store/issued-tokens.ts'
import type { ApiDeps } from './deps.ts'

const maxGrants = 1000
/** Page tokens of other lists are sealed apart. */
const cursorScope = { id: 'issued-tokens' } as const

/** countersign.oauth.v1.Grants */
export function grantsHandlers({
  store,
  clock,
  cursorKey,
  revocations,
}: Pick<ApiDeps, 'store' | 'clock' | 'cursorKey' | 'revocations'>): Record<
  string,
  RpcHandler<Caller>
> {
  const good = (filter: Filter | null, after?: string) =>
    goodTokens(store.db, filterOf(filter), { clock, after }, revocations)
  return {
    List: unary(async ({ filter }: ListRequest) => {
      const found = await grantsOf(good(filter), maxGrants + 1)
      return {
        grants: found.slice(0, maxGrants).map((grant) => ({
          client_id: grant.clientId,
          subject: grant.subject,
          audience: grant.audience,
          scopes: [...grant.scopes],
          entry_id: grant.entryId,
          owner: grant.owner,
          tokens: grant.tokens,
          expires_at_ms: grant.expiresAt.getTime(),
        })),
        more: found.length > maxGrants,
      }
    }),
    ListTokens: unary(async (request: ListTokensRequest) => {
      const limit = pageSizeOf(request.page_size)
      const after = openCursor(cursorKey, cursorScope, request.page_token)
      const found: ListedToken[] = []
      for await (const token of good(request.filter, after)) {
        if (found.push(token) > limit) break
      }
      const last = found.length > limit ? found[limit - 1] : undefined
      return {
        tokens: found.slice(0, limit).map((token) => ({
          jti: token.jti,
          txn: token.txn,
          parent: token.parent ?? '',
          client_id: token.clientId,
          subject: token.subject,
          audience: token.audience,
          scopes: [...token.scopes],
          entry_id: token.entryId,
          owner: token.owner,
          actors: [...token.actors],
          issued_at_ms: token.issuedAt.getTime(),
          expires_at_ms: token.expiresAt.getTime(),
        })),
        next_page_token: last === undefined ? '' : sealCursor(cursorKey, cursorScope, last.place),
      }
    }),
  }
}

function filterOf(filter: Filter | null): TokenFilter {
  const said = (text: string | undefined): string | undefined => (text === '' ? undefined : text)
  const txn = said(filter?.txn)
  return {
    spiffeId: said(filter?.spiffe_id),
    audience: said(filter?.audience),
    owner: said(filter?.owner),
    transactions: txn === undefined ? undefined : new Set([txn]),
  }
}

import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import type { Caller } from '../access/caller.ts'
import type { ApiDeps } from './deps.ts'

/** countersign.federation.v1.Federation */
export function federationHandlers({
  federation,
}: Pick<ApiDeps, 'federation'>): Record<string, RpcHandler<Caller>> {
  return {
    ListStatus: unary(() => ({
      relationships: federation
        .status()
        .map(({ relationship, confirmedAt, failures, failure, staleAt, isStale, onStale }) => ({
          trust_domain: relationship.trustDomain,
          confirmed_at_ms: confirmedAt?.getTime() ?? 0,
          failures,
          failed_at_ms: failure?.at.getTime() ?? 0,
          reason: failure?.error.reason ?? '',
          message: failure?.error.message ?? '',
          stale_at_ms: staleAt?.getTime() ?? 0,
          stale: isStale,
          stale_refused: onStale === 'deny',
        })),
    })),
  }
}

import { spiffeIdToWire } from '../../src/rpc/convert.ts'
import { type RpcHandler, unary } from '../../src/rpc/server.ts'
import { serverId } from '../../src/spiffe-id/reserved.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Caller } from '../access/caller.ts'
import type { ApiDeps } from './deps.ts'

/** spire.api.server.debug.v1.Debug */
export function debugHandlers(
  deps: Pick<ApiDeps, 'trustDomain' | 'clock' | 'index' | 'bundles' | 'ca'> & {
    readonly serverSvidExpiresAt: () => Date
  },
): Record<string, RpcHandler<Caller>> {
  const startedMs = deps.clock.monotonicMs()
  const seconds = (instant: Date): number => Math.floor(instant.getTime() / 1000)
  return {
    GetInfo: unary(() => ({
      uptime: Math.floor((deps.clock.monotonicMs() - startedMs) / 1000),
      agents_count: deps.index.agents().length,
      entries_count: deps.index.size,
      federated_bundles_count: deps.bundles.federated().length,
      svid_chain: [
        {
          id: spiffeIdToWire(serverId(deps.trustDomain)),
          expires_at: seconds(deps.serverSvidExpiresAt()),
        },
        {
          id: spiffeIdToWire(TrustDomain.toId(deps.trustDomain)),
          expires_at: seconds(deps.ca.x509.active().certificate.notAfter),
        },
      ],
    })),
  }
}

import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { shownChain } from '../../src/rpc/shown-chain.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import type { Caller } from '../access/caller.ts'
import type { ApiDeps } from './deps.ts'

/** spire.api.server.debug.v1.Debug */
export function debugHandlers(
  deps: Pick<ApiDeps, 'clock' | 'index' | 'bundles'> & {
    /** The server's own SVID; its chain ends at the CA. */
    readonly identity: () => X509Svid
  },
): Record<string, RpcHandler<Caller>> {
  const startedMs = deps.clock.monotonicMs()
  return {
    GetInfo: unary(() => ({
      uptime: Math.floor((deps.clock.monotonicMs() - startedMs) / 1000),
      agents_count: deps.index.agents().length,
      entries_count: deps.index.size,
      federated_bundles_count: deps.bundles.federated().length,
      svid_chain: [...shownChain(deps.identity().chain)],
    })),
  }
}

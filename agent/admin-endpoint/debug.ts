import { secondsOf } from '../../src/rpc/convert.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { shownChain } from '../../src/rpc/shown-chain.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import type { AdminCaller } from './delegated-identity.ts'

/** What the agent says of itself. */
export interface AgentFacts {
  /** Its own SVID; undefined before it has joined. */
  svid(): X509Svid | undefined
  lastContact(): Date | undefined
  entries(): number
  x509Svids(): number
  jwtSvids(): number
}

/** spire.agent.debug.v1.Debug */
export function debugHandlers(
  facts: AgentFacts,
  clock: Clock,
): Record<string, RpcHandler<AdminCaller>> {
  const startedMs = clock.monotonicMs()
  return {
    GetInfo: unary(() => ({
      svid_chain: [...shownChain(facts.svid()?.chain ?? [])],
      uptime: Math.floor((clock.monotonicMs() - startedMs) / 1000),
      svids_count: facts.entries(),
      last_sync_success: secondsOf(facts.lastContact()),
      cached_x509_svids_count: facts.x509Svids(),
      cached_jwt_svids_count: facts.jwtSvids(),
      cached_svidstore_x509_svids_count: 0,
    })),
  }
}

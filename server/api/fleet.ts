import { type RpcHandler, unary } from '../../src/rpc/server.ts'
import type { Caller } from '../access/caller.ts'
import type { ApiDeps } from './deps.ts'

/** countersign.fleet.v1.Fleet */
export function fleetHandlers({
  followers,
  changes,
}: Pick<ApiDeps, 'followers' | 'changes'>): Record<string, RpcHandler<Caller>> {
  return {
    ListStatus: unary(() => ({
      position: changes.position,
      agents: followers.status().map((status) => ({
        agent_id: status.agentId,
        connected: true,
        applied: status.applied,
        lag_ms: status.lagMs,
        address: status.address,
        connected_since_ms: status.connectedSince.getTime(),
      })),
    })),
  }
}

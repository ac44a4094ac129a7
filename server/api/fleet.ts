import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import type { Caller } from '../access/caller.ts'
import type { ApiDeps } from './deps.ts'

/** countersign.fleet.v1.Fleet */
export function fleetHandlers({
  followers,
  changes,
  notReady,
}: Pick<ApiDeps, 'followers' | 'changes' | 'notReady'>): Record<string, RpcHandler<Caller>> {
  return {
    ListStatus: unary(async () => ({
      position: changes.position,
      agents: followers.status().map((status) => ({
        agent_id: status.agentId,
        connected: true,
        applied: status.applied,
        lag_ms: status.lagMs,
        address: status.address,
        connected_since_ms: status.connectedSince.getTime(),
        contended: status.contended,
      })),
      not_ready: (await notReady()) ?? '',
    })),
  }
}

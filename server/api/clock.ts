import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import type { Caller } from '../access/caller.ts'
import { type ApiDeps, actOf } from './deps.ts'

/** countersign.clock.v1.Clock */
export function clockHandlers({
  ca,
  clock,
}: Pick<ApiDeps, 'ca' | 'clock'>): Record<string, RpcHandler<Caller>> {
  return {
    Accept: unary(async (_request: object, { caller }) => {
      const { actor, requestId } = actOf(caller)
      const latest = await ca.acceptClock(actor, requestId)
      return { now_ms: clock.now().getTime(), latest_seen_ms: latest.getTime() }
    }),
    Now: unary(() => ({ now_ms: clock.now().getTime() })),
  }
}

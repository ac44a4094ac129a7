import type { Clock } from '../../src/runtime/clock.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { AgentRecord } from '../store/records.ts'
import {
  type Caller,
  classify,
  type EntryRights,
  nobody,
  type Peer,
  type PeerSvid,
  shareOf,
} from './caller.ts'
import type { RateLimiter } from './limits.ts'
import { authorise, isOpenToAll } from './table.ts'

export interface GuardDeps {
  readonly clock: Clock
  readonly agent: (id: SpiffeId) => AgentRecord | undefined
  readonly rights: (id: SpiffeId) => EntryRights
  readonly trusts: (svid: PeerSvid) => boolean
  /** Makes the pending SVID of an agent the one that counts; called at its first use. */
  readonly promote: (shown: PeerSvid) => Promise<void>
  readonly calls: RateLimiter
}

/** Who may make which call: asked before the request is read, each time anew. */
export function createGuard(
  deps: GuardDeps,
): (peer: Peer, method: string) => Caller | Promise<Caller> {
  return (peer, method) => {
    if (isOpenToAll(method)) {
      const caller = nobody(peer)
      if (peer.transport === 'tls') deps.calls.take(shareOf(peer))
      return caller
    }
    const caller = classify(peer, {
      now: deps.clock.now(),
      agent: deps.agent,
      rights: deps.rights,
      trusts: deps.trusts,
    })
    // Before it is refused: who may not call pays for asking as others do.
    if (peer.transport === 'tls') deps.calls.take(caller.id ?? shareOf(peer))
    authorise(method, caller)
    return usesPendingSvid(deps, caller) ?? caller
  }
}

function usesPendingSvid(deps: GuardDeps, caller: Caller): Promise<Caller> | undefined {
  const { peer } = caller
  if (caller.kind !== 'agent' || peer.transport !== 'tls' || peer.svid === undefined) {
    return undefined
  }
  const { spiffeId, serial } = peer.svid
  if (deps.agent(spiffeId)?.pendingSerial !== serial) return undefined
  return deps.promote(peer.svid).then(() => caller)
}

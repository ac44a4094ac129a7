import { readTraceparent } from '../../src/audit/traceparent.ts'
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

interface CallMetadata {
  get(name: string): readonly (string | Buffer)[]
}

/** Who may make which call: asked before the request is read, each time anew. */
export function createGuard(
  deps: GuardDeps,
): (peer: Peer, method: string, metadata?: CallMetadata) => Caller | Promise<Caller> {
  return (peer, method, metadata) => {
    if (isOpenToAll(method)) {
      const caller = traced(nobody(peer), metadata)
      if (peer.transport === 'tls') deps.calls.take(shareOf(peer.address))
      return caller
    }
    const shown = classify(peer, {
      now: deps.clock.now(),
      agent: deps.agent,
      rights: deps.rights,
      trusts: deps.trusts,
    })
    const caller = traced(shown, metadata)
    // Before it is refused: who may not call pays for asking as others do.
    if (peer.transport === 'tls') deps.calls.take(caller.id ?? shareOf(peer.address))
    authorise(method, caller)
    return usesPendingSvid(deps, caller) ?? caller
  }
}

/** Whose own trace goes on record with what the call does. */
function traced(caller: Caller, metadata: CallMetadata | undefined): Caller {
  const [first, ...more] = metadata?.get('traceparent') ?? []
  const trace = first === undefined || more.length > 0 ? undefined : readTraceparent(`${first}`)
  return trace === undefined ? caller : { ...caller, trace }
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

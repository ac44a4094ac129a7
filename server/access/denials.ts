import type { AuditActor, AuditEvent } from '../../src/audit/event.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { isAgentId } from '../../src/spiffe-id/reserved.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { EntryRights, Peer, PeerSvid } from './caller.ts'
import { createFloodRecord, createRoom, type FloodRecord } from './flood-record.ts'

export interface DenialDeps {
  readonly clock: Clock
  readonly rights: (id: SpiffeId) => EntryRights
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
}

/** Puts refused calls, and refusals inside of calls, on record: of those alone who have shown an SVID, and never all of a flood. */
export interface Denials {
  /** Returns at once; what has failed for another reason than that it is not allowed is left alone. */
  note(peer: Peer, method: string, error: unknown): void
  readonly leftOut: FloodRecord['leftOut']
}

/** What one identity, and all together, may have put on record. */
const limits = { each: { perSecond: 1, burst: 5 }, all: { perSecond: 5, burst: 20 } }

export function createDenials({ clock, rights, append }: DenialDeps): Denials {
  const hasRoom = createRoom(limits, clock)
  const record = createFloodRecord(append)
  return {
    note(peer, method, error) {
      if (peer.transport !== 'tls' || peer.svid === undefined) return
      if (!(error instanceof CountersignError) || !isDenial(error)) return
      const event: AuditEvent = {
        kind: 'access.denied',
        time: clock.now(),
        actor: actorOf(peer.svid, peer.address, rights),
        decision: 'deny',
        reason: error.reason,
        details: { method },
      }
      // What could not be written counts as left out.
      record.note(event, hasRoom(peer.svid.spiffeId)).catch(() => {})
    },
    get leftOut() {
      return record.leftOut
    },
  }
}

function isDenial({ code }: CountersignError): boolean {
  return code === 'forbidden' || code === 'unauthenticated'
}

function actorOf(
  { spiffeId: id, serial }: PeerSvid,
  address: string,
  rights: DenialDeps['rights'],
): AuditActor {
  const kind = isAgentId(id) ? 'agent' : rights(id).admin ? 'admin' : 'workload'
  return { kind, id, address, serial }
}

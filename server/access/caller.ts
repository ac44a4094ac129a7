import { randomUUID } from 'node:crypto'
import type { AuditActor } from '../../src/audit/event.ts'
import { CountersignError } from '../../src/errors.ts'
import { addressShare } from '../../src/mtls/admission.ts'
import { agentBanned, agentNotActive, agentNotAttested } from '../../src/rpc/agent-refusal.ts'
import { isAgentId } from '../../src/spiffe-id/reserved.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Certificate } from '../../src/x509/certificate.ts'
import type { AgentRecord } from '../store/records.ts'

/** Who is at the other end of a connection: what the kernel or the TLS handshake proved, no more. */
export type Peer = UnixPeer | TlsPeer

export interface UnixPeer {
  readonly transport: 'unix'
  readonly pid: number
  readonly uid: number
}

export interface TlsPeer {
  readonly transport: 'tls'
  /** `host:port` */
  readonly address: string
  /** Absent where the client showed no certificate. */
  readonly svid?: PeerSvid | undefined
}

export interface PeerSvid {
  readonly spiffeId: SpiffeId
  /** Lower-case hex. */
  readonly serial: string
  readonly expiresAt: Date
  /** What its chain ends at: revoked, it takes the SVID along. */
  readonly authority: Certificate
}

/** What limits by address count by: `127.0.0.1:80` → `127.0.0.1`, `[2001:db8::1]:80` → its /64. */
export function shareOf(address: string): string {
  const host = address.slice(0, Math.max(0, address.lastIndexOf(':')))
  return addressShare(host.startsWith('[') ? host.slice(1, -1) : host)
}

/** What a peer counts as for one call. The access table speaks of these kinds and no others. */
export type CallerKind = 'nobody' | 'agent' | 'admin' | 'downstream' | 'workload' | 'local'

export interface Caller {
  readonly kind: CallerKind
  /** All kinds that it counts as: an SVID may belong to an admin and a downstream entry at once. */
  readonly kinds: ReadonlySet<CallerKind>
  readonly peer: Peer
  readonly id: SpiffeId | undefined
  readonly actor: AuditActor
  readonly requestId: string
  /** `traceparent` of the call (W3C Trace Context), where it came with one. */
  readonly trace?: string | undefined
}

/** What an ID may do beside being an agent; from the entries that carry it. */
export interface EntryRights {
  readonly admin: boolean
  readonly downstream: boolean
}

export interface CallerFacts {
  readonly now: Date
  agent(id: SpiffeId): AgentRecord | undefined
  rights(id: SpiffeId): EntryRights
  /** Whether the authority of the SVID is in the bundle of its trust domain still. */
  trusts(svid: PeerSvid): boolean
}

/** The peer as an unnamed one: what an RPC that is open to all sees of it. */
export function nobody(peer: Peer): Caller {
  const actor: AuditActor =
    peer.transport === 'unix'
      ? { kind: 'local', uid: peer.uid, pid: peer.pid }
      : { kind: 'node', address: peer.address }
  return caller(peer, peer.transport === 'unix' ? ['local'] : ['nobody'], undefined, actor)
}

/**
 * Classifies a peer for one call, from the state of this moment: an SVID that was good at the
 * handshake may have expired or its agent been banned since. Throws `forbidden` with
 * `agent-expired`, `agent-not-attested`, `agent-banned` or `agent-not-active`, or `unauthenticated`
 * with `svid-expired` or `svid-authority-revoked`.
 */
export function classify(peer: Peer, facts: CallerFacts): Caller {
  if (peer.transport === 'unix' || peer.svid === undefined) return nobody(peer)
  const { spiffeId, serial, expiresAt } = peer.svid
  if (!facts.trusts(peer.svid)) throw svidRevoked()
  const shown = { id: spiffeId, serial, address: peer.address }
  const agent = facts.agent(spiffeId)
  if (agent !== undefined || isAgentId(spiffeId)) {
    checkAgent(agent, peer.svid, facts.now)
    return caller(peer, ['agent'], spiffeId, { kind: 'agent', ...shown })
  }
  if (expiresAt <= facts.now) {
    throw new CountersignError('unauthenticated', 'the SVID of this connection has expired', {
      reason: 'svid-expired',
      fix: 'connect again with a current SVID',
    })
  }
  const rights = facts.rights(spiffeId)
  const kinds: CallerKind[] = [
    ...(rights.admin ? (['admin'] as const) : []),
    ...(rights.downstream ? (['downstream'] as const) : []),
    'workload',
  ]
  return caller(peer, kinds, spiffeId, { kind: rights.admin ? 'admin' : 'workload', ...shown })
}

/** What ends calls and streams of an SVID whose authority was revoked. */
export function svidRevoked(): CountersignError {
  return new CountersignError(
    'unauthenticated',
    'the authority that signed the SVID of this connection is trusted no longer',
    { reason: 'svid-authority-revoked', fix: 'connect again with an SVID of another authority' },
  )
}

function checkAgent(agent: AgentRecord | undefined, svid: PeerSvid, now: Date): void {
  if (agent === undefined) throw agentNotAttested()
  if (agent.banned) throw agentBanned()
  if (svid.expiresAt <= now) {
    throw new CountersignError('forbidden', 'agent SVID has expired', { reason: 'agent-expired' })
  }
  if (svid.serial !== agent.serial && svid.serial !== agent.pendingSerial) throw agentNotActive()
}

function caller(
  peer: Peer,
  kinds: readonly CallerKind[],
  id: SpiffeId | undefined,
  actor: AuditActor,
): Caller {
  return {
    kind: kinds[0] ?? 'nobody',
    kinds: new Set(kinds),
    peer,
    id,
    actor,
    requestId: randomUUID(),
  }
}

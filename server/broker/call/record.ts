import type { AuditEvent } from '../../../src/audit/event.ts'
import type { CountersignError } from '../../../src/errors.ts'
import type { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import type { Caller } from '../caller.ts'
import type { Integration } from '../settings.ts'

/** What has come to light of a call so far. */
export interface Known {
  readonly address: string
  /** By the SVID in TLS. */
  readonly peer: SpiffeId | undefined
  method?: string
  /** Canonical; the query is not for the record, since it may hold anything. */
  path?: string
  integration?: Integration | undefined
  caller?: Caller
  policies?: readonly string[]
  revision?: string
  /** `traceparent` as it came. */
  trace?: string | undefined
  /** Whether the vendor may have heard of it. */
  sent?: boolean
}

/** Characters of a path that are kept of a caller who has proved nothing: a path of 8 KiB each would fill the disk. */
const strangersPathLength = 256

/** The call is about to be sent. */
export function calledEvent(known: Known, time: Date): AuditEvent {
  return { ...eventOf(known, time), kind: 'broker.called', decision: 'allow' }
}

/** It was not sent. */
export function deniedEvent(known: Known, { reason }: CountersignError, time: Date): AuditEvent {
  return { ...eventOf(known, time), kind: 'broker.denied', decision: 'deny', reason }
}

/** It was sent, and did not come to its end. */
export function failedEvent(known: Known, { reason }: CountersignError, time: Date): AuditEvent {
  return { ...eventOf(known, time), kind: 'broker.failed', decision: 'allow', reason }
}

function eventOf(known: Known, time: Date): Omit<AuditEvent, 'kind' | 'decision'> {
  const { address, peer, method, integration, caller, trace } = known
  const path = pathOf(known)
  return {
    time,
    actor: {
      kind: 'workload',
      id: caller?.spiffeId ?? peer,
      entryId: caller?.entryId,
      owner: caller?.owner,
      auth: caller?.auth,
      address,
    },
    subject: caller?.subject,
    actors: caller?.actors,
    transaction: caller?.transaction,
    jti: caller?.tokenId,
    purpose: caller?.purpose,
    audience: integration && [integration.audience],
    resourceOwner: integration?.owner,
    policies: known.policies,
    policyRevision: known.revision,
    trace,
    details: {
      ...(integration !== undefined && { integration: integration.id }),
      ...(method !== undefined && { method }),
      ...(path !== undefined && { path }),
    },
  }
}

/** Whole segments alone: of a part of one nobody can tell that it is part of a secret. No path has an ellipsis. */
function pathOf({ path, peer, caller }: Known): string | undefined {
  const isKnown = peer !== undefined || caller !== undefined
  if (path === undefined || isKnown || path.length <= strangersPathLength) return path
  const kept = path.slice(0, strangersPathLength)
  return `${kept.slice(0, kept.lastIndexOf('/') + 1)}…`
}

import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'

/** Everything that is ever put on record. A closed list: a reader of a trail knows each of these. */
export type AuditKind =
  | 'svid.x509.issued'
  | 'svid.jwt.issued'
  | 'ca.downstream.issued'
  | 'agent.attested'
  | 'agent.renewed'
  | 'agent.banned'
  | 'agent.evicted'
  | 'agent.duplicated'
  | 'entry.created'
  | 'entry.updated'
  | 'entry.deleted'
  | 'token.created'
  | 'token.used'
  /** An access token; the two above are of join tokens. */
  | 'token.issued'
  | 'token.denied'
  | 'policy.loaded'
  | 'policy.refused'
  | 'bundle.appended'
  | 'bundle.set'
  | 'bundle.deleted'
  | 'federation.set'
  | 'federation.deleted'
  | 'authority.prepared'
  | 'authority.activated'
  | 'authority.retired'
  | 'authority.tainted'
  | 'authority.revoked'
  | 'access.denied'
  | 'clock.accepted'
  | 'store.row.refused'
  | 'server.started'
  | 'server.stopped'
  | 'trail.repaired'
  /** The records `details.first` to `details.last` name changes that were not kept. */
  | 'commit.failed'

const withoutChange: ReadonlySet<AuditKind> = new Set([
  'svid.x509.issued',
  'svid.jwt.issued',
  'token.issued',
  'token.denied',
  'policy.loaded',
  'policy.refused',
  'access.denied',
  'agent.duplicated',
  'clock.accepted',
  'server.started',
  'server.stopped',
  'trail.repaired',
  'commit.failed',
])

/** Whether such a record is committed to the store with what it tells of, or not at all. */
export function isCommitted({ kind, details }: Pick<AuditEvent, 'kind' | 'details'>): boolean {
  // An agent's SVID leaves only once the agent has been recorded.
  return !withoutChange.has(kind) || (kind === 'svid.x509.issued' && details?.['for'] === 'agent')
}

/**
 * Who did it: `local` is a process on the server's admin socket (`uid`, `pid`), `admin` an SVID with
 * the admin right, `agent` and `workload` an SVID, `node` a machine that is not attested yet
 * (`address`), `server` the server itself.
 */
export interface AuditActor {
  readonly kind: 'local' | 'admin' | 'agent' | 'workload' | 'node' | 'server'
  readonly id?: SpiffeId | undefined
  readonly uid?: number | undefined
  readonly pid?: number | undefined
  /** `host:port` of the peer. */
  readonly address?: string | undefined
  /** Serial of the certificate that the actor showed, lower-case hex. */
  readonly serial?: string | undefined
}

/**
 * One thing that happened: who, for whom, what, why, until when. It names credentials by serial, jti or
 * key id and never holds one. Only `details` is free, and it takes plain values.
 */
export interface AuditEvent {
  readonly kind: AuditKind
  readonly time: Date
  readonly actor: AuditActor
  /** For whom: the ID that was issued, attested, banned, registered … */
  readonly spiffeId?: SpiffeId | undefined
  readonly entryId?: string | undefined
  /** Serial of the certificate that was issued, lower-case hex. */
  readonly serial?: string | undefined
  readonly jti?: string | undefined
  readonly audience?: readonly string[] | undefined
  /** Id of the authority that signed, or that the event is about. */
  readonly authorityId?: string | undefined
  readonly expiresAt?: Date | undefined
  readonly owner?: string | undefined
  readonly purpose?: string | undefined
  readonly decision: 'allow' | 'deny'
  /** A stable word: why it was denied, or why it was done. */
  readonly reason?: string | undefined
  /** Links the event to the log lines of the same call. */
  readonly requestId?: string | undefined
  readonly details?: Readonly<Record<string, string | number | boolean>> | undefined
}

import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'

/**
 * Everything that is ever put on record. A closed list: a reader of a trail knows each of these. A `change` is committed to
 * the store with what it tells of, or not at all; what is `alone` changes nothing there.
 */
const kinds = {
  'svid.x509.issued': 'alone',
  'svid.jwt.issued': 'alone',
  'ca.downstream.issued': 'change',
  'agent.attested': 'change',
  'agent.renewed': 'change',
  'agent.banned': 'change',
  'agent.evicted': 'change',
  'agent.duplicated': 'alone',
  'entry.created': 'change',
  'entry.updated': 'change',
  'entry.deleted': 'change',
  'entry.disabled': 'change',
  'entry.enabled': 'change',
  'token.created': 'change',
  /** An access token; the one above is of join tokens, whose use is `agent.attested`. */
  'token.issued': 'alone',
  /** For another access token (RFC 8693). What is refused of an exchange is a `token.denied` with that grant. */
  'token.exchanged': 'alone',
  'token.denied': 'alone',
  /** RFC 7009, or by an operator: a token, a transaction, an ID … `details` names what. */
  'revocation.written': 'change',
  'revocation.denied': 'alone',
  /** A service took a token too long after it was revoked, or could not be tried; and that this is over. */
  'canary.alarmed': 'alone',
  'canary.recovered': 'alone',
  /** A service that reads the feed does not say that it has applied what it was told; and that this is over. */
  'feed.alarmed': 'alone',
  'feed.recovered': 'alone',
  /** What a receiver outside was to be told is not told: it did not fetch it in time, or refused it. */
  'event.dropped': 'alone',
  /** A vendor was called with a key that the caller never saw. */
  'broker.called': 'alone',
  'broker.denied': 'alone',
  /** It was called, and no whole answer came or was wanted any more. */
  'broker.failed': 'alone',
  /** A vendor's key has come into use, in the place of another or as the first; and one that cannot be used. */
  'broker.key.taken': 'alone',
  'broker.key.refused': 'alone',
  /** Into the store, for all servers. */
  'policy.applied': 'change',
  'policy.loaded': 'alone',
  'policy.refused': 'alone',
  /** Whose tokens are exchanged, by which rules. */
  'issuers.loaded': 'alone',
  'issuers.refused': 'alone',
  /** Which workloads of other trust domains may ask for tokens; and each that may now, is said to be other, or may no more. */
  'clients.loaded': 'alone',
  'clients.refused': 'alone',
  'client.added': 'alone',
  'client.changed': 'alone',
  'client.removed': 'alone',
  'bundle.appended': 'change',
  'bundle.set': 'change',
  'bundle.deleted': 'change',
  'federation.set': 'change',
  'federation.deleted': 'change',
  'authority.prepared': 'change',
  'authority.activated': 'change',
  'authority.retired': 'change',
  'authority.tainted': 'change',
  'authority.revoked': 'change',
  'access.denied': 'alone',
  'clock.accepted': 'alone',
  'store.row.refused': 'change',
  'server.started': 'alone',
  'server.stopped': 'alone',
  'trail.repaired': 'alone',
  /** It is not the one that the store knows of this server: `details.before` names the chains of those. */
  'trail.begun': 'alone',
  /** `signedHead` says where the chain stands. */
  'trail.head': 'alone',
  /** The records `details.first` to `details.last` name changes that were not kept. */
  'commit.failed': 'alone',
} as const

export type AuditKind = keyof typeof kinds

export const auditKinds = Object.keys(kinds) as readonly AuditKind[]

/** Whether such a record is committed to the store with what it tells of, or not at all. */
export function isCommitted({ kind, details }: Pick<AuditEvent, 'kind' | 'details'>): boolean {
  // What another version put on record may have been a change. An agent's SVID leaves only once the agent has been recorded.
  return kinds[kind] !== 'alone' || (kind === 'svid.x509.issued' && details?.['for'] === 'agent')
}

/**
 * Who did it: `local` is a process on the server's admin socket (`uid`, `pid`), `admin` an SVID with
 * the admin right, `agent` and `workload` an SVID, `node` a machine that is not attested yet
 * (`address`), `server` the server itself.
 */
export interface AuditActor {
  readonly kind: 'local' | 'admin' | 'agent' | 'workload' | 'node' | 'server'
  readonly id?: SpiffeId | undefined
  /** Of the actor; those of the event are of whom it is about. */
  readonly entryId?: string | undefined
  readonly owner?: string | undefined
  /** The agent on whose node it runs. */
  readonly node?: SpiffeId | undefined
  /** How it has proved who it is, such as `spiffe_x509`. */
  readonly auth?: string | undefined
  readonly uid?: number | undefined
  readonly pid?: number | undefined
  /** From where: `host:port` of the peer. */
  readonly address?: string | undefined
  /** Serial of the certificate that the actor showed, lower-case hex. */
  readonly serial?: string | undefined
  /** SHA-256 of that certificate, base64url (`x5t#S256` of RFC 8705 §3.1). */
  readonly thumbprint?: string | undefined
}

/**
 * One thing that happened: who, for whom, what, why, by which policy, until when. It names credentials by
 * serial, jti, key id or SHA-256 and never holds one: what looks like one is taken out as it is written.
 * Only `details` is free, and it takes plain values.
 */
export interface AuditEvent {
  readonly kind: AuditKind
  readonly time: Date
  readonly actor: AuditActor
  /** For whom: the ID that was issued, attested, banned, registered …; of a token its subject. */
  readonly spiffeId?: SpiffeId | undefined
  /** A subject that is no SPIFFE ID, as its issuer names it. */
  readonly subject?: string | undefined
  /** Through whom, the current actor first (`act` of RFC 8693 §4.1). */
  readonly actors?: readonly string[] | undefined
  /** What a root token and all that was made of it have in common (`txn`). */
  readonly transaction?: string | undefined
  /** The token that this one was made of. */
  readonly parentJti?: string | undefined
  readonly entryId?: string | undefined
  /** Serial of the certificate that was issued, lower-case hex. */
  readonly serial?: string | undefined
  readonly jti?: string | undefined
  /** `grant_type` of RFC 6749. */
  readonly grant?: string | undefined
  readonly audience?: readonly string[] | undefined
  readonly scope?: readonly string[] | undefined
  readonly ttlSeconds?: number | undefined
  /** What the token is bound to: SHA-256 of a certificate, base64url. */
  readonly confirmation?: string | undefined
  /** Id of the authority that signed, or that the event is about. */
  readonly authorityId?: string | undefined
  readonly expiresAt?: Date | undefined
  readonly owner?: string | undefined
  readonly purpose?: string | undefined
  /** Who owns what it is for: the API, the integration. */
  readonly resourceOwner?: string | undefined
  readonly decision: 'allow' | 'deny'
  /** A stable word: why it was denied, or why it was done. */
  readonly reason?: string | undefined
  /** Names of the policies that decided, and the SHA-256 of the set that they are of. */
  readonly policies?: readonly string[] | undefined
  readonly policyRevision?: string | undefined
  /** Whether the decision was remembered, of a question that the policies cannot tell from this. */
  readonly cached?: boolean | undefined
  /** Links the event to the log lines of the same call. */
  readonly requestId?: string | undefined
  /** Links it to what the caller has recorded: `traceparent` of W3C Trace Context, as `readTraceparent` gives it. */
  readonly trace?: string | undefined
  /** Of a `trail.head` alone: the JWS of `readSignedHead`, which opens nothing. */
  readonly signedHead?: string | undefined
  readonly details?: Readonly<Record<string, string | number | boolean>> | undefined
}

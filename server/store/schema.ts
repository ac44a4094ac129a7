import type { Generated } from 'kysely'
import type { AuthorityKind, AuthoritySlot } from './records.ts'

/** What a row of the change log is about. */
export type ChangeKind = 'entry' | 'agent' | 'bundle' | 'authority' | 'revocation' | 'policy'

/**
 * The tables. Instants are milliseconds since 1970; `body` is the whole record as JSON, and the
 * columns beside it are what a query has to find or compare. `mac` is the row seal's.
 */
export interface Schema {
  settings: { name: string; value: string; mac: string }
  /** One row: how many changes there have been. Its lock puts the writers of all servers in order. */
  change_counter: { id: number; number: number }
  changes: { number: number; kind: ChangeKind; ref: string }
  /** `row` is the order in which rows lie in the file: reading all of them by it is three times faster than by id. */
  entries: {
    row: Generated<number>
    id: string
    natural_key: string
    body: string
    mac: string
  }
  agents: { id: string; expires_at: number; body: string; mac: string }
  /** `sequence` is decimal in 20 digits, so that its order as text is its order as a number. */
  bundles: { trust_domain: string; sequence: string; body: string; mac: string }
  federation_relationships: { trust_domain: string; body: string; mac: string }
  /** `body` is when it was, in milliseconds. */
  bundle_confirmations: { trust_domain: string; body: string; mac: string }
  authorities: { id: string; kind: AuthorityKind; slot: AuthoritySlot; body: string; mac: string }
  /** Copies of the lines of the servers' audit trails; `chain` names the trail, `number` the place in it. */
  audit_records: { chain: string; number: number; hash: string; line: string }
  /** Chained by `hash`; instants are in seconds here, as in the tokens that they are compared with. */
  revocation_facts: {
    number: number
    kind: string
    id: string
    not_before: number
    ends_at: number
    hash: string
    mac: string
  }
  /** `body` holds files and who applied them; the highest version is in force. */
  policy_sets: { version: number; body: string; mac: string }
  /** When a legacy caller's key was used last. Without a MAC: nothing is allowed because of it. */
  legacy_use: { entry_id: string; last_used_at: number }
  /** Static keys that open nothing any more, by the id of their entry. Without a MAC: who can write here can forget anyway. */
  revoked_keys: { entry_id: string; revoked_at: number }
  /** What receivers of events outside are still to be told, in the order of `row`. */
  event_outbox: {
    row: Generated<number>
    stream: string
    jti: string
    body: string
    created_at: number
    leased_until: number
    mac: string
  }
  join_tokens: { hash: string; agent_id: string; expires_at: number; mac: string }
  /** SHA-256 of issuer and `jti` of what is good once. Without a MAC: who can write here can forget anyway. */
  used_tokens: { hash: string; expires_at: number }
  /**
   * Access tokens that are good still, for lists: a row are those that one client got for the same in one second. `id` is
   * the first one's `jti`, `tokens` has four words a token: `jti`, `txn`, address and parent. Without a MAC: nothing is
   * allowed because a row is here.
   */
  issued_grants: {
    id: string
    client_id: string
    subject: string
    entry_id: string
    owner: string
    audience: string
    scope: string
    auth: string
    actors: string
    rule: string
    key_id: string
    from_audience: string
    from_depth: number
    from_key_id: string
    issued_at: number
    expires_at: number
    tokens: string
  }
}

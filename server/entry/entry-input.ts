import type { Entry, Selector } from '../../src/entry/entry.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'

/** An entry as somebody asks for it; nothing of it is checked yet. What is absent gets its default. */
export interface EntryInput {
  readonly id?: string | undefined
  readonly spiffeId: string
  readonly parentId: string
  readonly selectors: readonly Selector[]
  readonly x509SvidTtlSeconds?: number | undefined
  readonly jwtSvidTtlSeconds?: number | undefined
  readonly federatesWith?: readonly string[] | undefined
  readonly admin?: boolean | undefined
  readonly downstream?: boolean | undefined
  readonly expiresAt?: Date | undefined
  readonly dnsNames?: readonly string[] | undefined
  readonly storeSvid?: boolean | undefined
  readonly hint?: string | undefined
  readonly disableX509SvidPrefetch?: boolean | undefined
  readonly jwtSvidIncludeJti?: boolean | undefined
  readonly jwtSvidSingleUse?: boolean | undefined
  readonly owner?: string | undefined
  readonly purpose?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Of a new entry alone: no update enables one, or disables it. */
  readonly disabled?: boolean | undefined
}

export interface RuleContext {
  readonly trustDomain: TrustDomain
  readonly now: Date
  newId(): string
  /** Whether the bundle of this foreign trust domain is here. */
  knowsTrustDomain(trustDomain: TrustDomain): boolean
  /** Selector types of the operator's own attestors, besides those that everyone knows. */
  readonly selectorTypes: readonly string[]
  /** The entry that the input replaces: its id, age and revision are kept, and what it already had may stay. */
  readonly current?: Entry | undefined
}

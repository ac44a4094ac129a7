import type { Entry } from '../entry/entry.ts'

/** What may be asked, one shape an action. Times and the policies in force are the answerer's. */
export type PolicyQuestion = IssueQuestion | ExchangeQuestion | VendorQuestion | RevocationQuestion

/** Who asks: an entry. */
export type AskingEntry = Pick<Entry, 'spiffeId' | 'owner' | 'purpose' | 'labels'>

/** What is asked for: a resource of `oauth.resources`, or an integration. */
export interface Target {
  readonly id: string
  readonly owner?: string | undefined
  readonly env?: string | undefined
}

interface TokenWish {
  readonly entry: AskingEntry
  readonly resource: Target
  readonly scopes: readonly string[]
  readonly ttlSeconds: number
  /** How the client proved itself, for example `spiffe_x509`. */
  readonly auth: string
  /** Of the client, `host:port` or the IP address alone. */
  readonly address: string
}

/** May this workload have a token for this resource with all of these scopes? */
export interface IssueQuestion extends TokenWish {
  readonly action: 'issueToken'
}

/** The same, for a token that it shows (RFC 8693). */
export interface ExchangeQuestion extends TokenWish {
  readonly action: 'exchangeToken'
  /** `sub` of the token that it shows. */
  readonly subject: string
  /** `sub` of each `act`, outermost first. */
  readonly actors: readonly string[]
  /** How many actors the new token would name. */
  readonly depth: number
  /** `aud` of the token that it shows. */
  readonly audience: string
}

/** May this workload make this call to a vendor? */
export interface VendorQuestion {
  readonly action: 'callVendor'
  readonly entry: AskingEntry
  readonly integration: Target
  readonly method: string
  /** In its one canonical form. */
  readonly path: string
  readonly address: string
}

/** May this workload, or this operator, end what it names? */
export interface RevocationQuestion {
  readonly action: 'revoke'
  readonly by: { readonly entry: AskingEntry } | { readonly operator: string }
  readonly target: RevocationTarget
}

/** What a revocation names: a token of which everything is known, or whatever else by its id. */
export type RevocationTarget = TokenTarget | { readonly kind: RevocableKind; readonly id: string }

interface TokenTarget {
  readonly kind: 'token'
  /** `jti` */
  readonly id: string
  /** `client_id` */
  readonly client: string
  readonly audience: string
  readonly owner: string
}

/** What may be revoked, beside a token. */
export const revocableKinds = [
  'transaction',
  'spiffe-id',
  'entry',
  'owner',
  'audience',
  'integration',
  'key',
  'trust-domain',
  'node',
] as const

export type RevocableKind = (typeof revocableKinds)[number]

export interface Decision {
  readonly allowed: boolean
  /** `policy-none`: no policy permits it; `policy-forbids`; `policy-error`: one could not be evaluated. */
  readonly reason: 'policy-permits' | 'policy-none' | 'policy-forbids' | 'policy-error'
  /** Those that decided, sorted. */
  readonly policies: readonly string[]
  /** Remembered of a question that these policies cannot tell from this. */
  readonly cached?: true
}

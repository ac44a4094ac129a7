import type { SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'

/** One thing that an attestor says of a node or a workload, for example `unix` / `uid:1000`. */
export interface Selector {
  readonly type: string
  readonly value: string
}

/**
 * A registration entry: which workload (selectors, under which parent) gets which SPIFFE ID, who
 * answers for it (`owner`) and what it is for (`purpose`, `labels`). Times to live are in seconds,
 * 0 means the server's default.
 */
export interface Entry {
  readonly id: string
  readonly spiffeId: SpiffeId
  readonly parentId: SpiffeId
  /** Sorted by type, then value; distinct; at least one. */
  readonly selectors: readonly Selector[]
  readonly x509SvidTtlSeconds: number
  readonly jwtSvidTtlSeconds: number
  /** Sorted, distinct. */
  readonly federatesWith: readonly TrustDomain[]
  readonly admin: boolean
  readonly downstream: boolean
  readonly expiresAt: Date | undefined
  /** Since when nobody gets anything by it, until an operator enables it again; undefined: it is enabled. */
  readonly disabledAt: Date | undefined
  readonly dnsNames: readonly string[]
  /** 0 at creation, one more at each update. */
  readonly revision: number
  readonly storeSvid: boolean
  /** At most 1024 bytes. */
  readonly hint: string
  readonly createdAt: Date
  readonly disableX509SvidPrefetch: boolean
  readonly jwtSvidIncludeJti: boolean
  /** Each JWT-SVID proves its workload to the token service once. Then each has a `jti`, too, and agents keep none. */
  readonly jwtSvidSingleUse: boolean
  readonly owner: string
  readonly purpose: string
  readonly labels: Readonly<Record<string, string>>
}

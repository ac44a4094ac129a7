import type { Selector } from '../../src/entry/entry.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { KeyKind } from '../../src/x509/key.ts'

/** An attested node. */
export interface AgentRecord {
  readonly id: SpiffeId
  readonly attestationType: string
  /** What the attestor said of the node; sorted, distinct. */
  readonly selectors: readonly Selector[]
  /** Lower-case hex of the serial that the agent authenticates with; empty where it is banned. */
  readonly serial: string
  readonly expiresAt: Date
  /** A renewed SVID's serial, until the agent first uses it; empty where none is pending. */
  readonly pendingSerial: string
  readonly pendingExpiresAt: Date | undefined
  readonly banned: boolean
  readonly canReattest: boolean
  readonly version: string
  readonly attestedAt: Date
}

/**
 * `jwt-rs256`: for the audiences that take no other algorithm; a set of its own beside that of `jwt`.
 * `oauth`: signs access tokens, and is in no bundle: nothing that it signs is an SVID.
 * `feed`: signs what was revoked, and nothing else; neither in a bundle nor among the keys of access tokens.
 * `events`: signs what receivers outside are told, with RS256, which all of them read.
 */
export type AuthorityKind = 'x509' | 'jwt' | 'jwt-rs256' | 'oauth' | 'feed' | 'events' | 'trail'
export type AuthoritySlot = 'prepared' | 'active' | 'old'

/** A signing key of the trust domain. */
export interface AuthorityRecord {
  /** `x509`: lower-case hex of the certificate's subject key identifier. `jwt…`: the key ID. */
  readonly id: string
  readonly kind: AuthorityKind
  readonly slot: AuthoritySlot
  readonly keyKind: KeyKind
  /** PKIX SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer
  /** The CA certificate, DER; empty for `jwt…`. */
  readonly certificate: Buffer
  /** What the key manager gave to keep; only it can open this. */
  readonly sealedKey: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  readonly tainted: boolean
}

export interface JoinTokenRecord {
  /** SHA-256 of the token, lower-case hex. The token itself is never kept. */
  readonly hash: string
  /** `spiffe://<td>/spire/agent/join_token/<…>`: the ID that the agent gets. */
  readonly agentId: SpiffeId
  readonly expiresAt: Date
}

/** Where the bundle of another trust domain is fetched, and whom to believe there (SPIFFE Federation §5.2). */
export interface FederationRelationship {
  readonly trustDomain: TrustDomain
  /** `https:`, without user info. */
  readonly bundleEndpointUrl: string
  readonly profile: BundleEndpointProfile
}

/** `https_web`: the Web PKI. `https_spiffe`: an SVID of this ID. */
export type BundleEndpointProfile =
  | { readonly type: 'https_web' }
  | { readonly type: 'https_spiffe'; readonly endpointSpiffeId: SpiffeId }

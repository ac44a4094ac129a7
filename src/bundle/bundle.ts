import type { TrustDomain } from '../spiffe-id/spiffe-id.ts'
import type { Crl } from '../x509/crl.ts'

/** A CA that signs X509-SVIDs of its trust domain. */
export interface X509Authority {
  /** The CA certificate, DER. */
  readonly certificate: Buffer
  readonly tainted: boolean
}

/** A key that signs JWT-SVIDs of its trust domain. */
export interface JwtAuthority {
  readonly keyId: string
  /** PKIX SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer
  /** When nothing signed by it can be valid any more; undefined where the publisher did not say. */
  readonly expiresAt: Date | undefined
  readonly tainted: boolean
}

/** The authorities of one trust domain (SPIFFE Trust Domain and Bundle §4). Replaced whole, never edited. */
export interface Bundle {
  readonly trustDomain: TrustDomain
  readonly x509Authorities: readonly X509Authority[]
  readonly jwtAuthorities: readonly JwtAuthority[]
  /** Grows with every change of content; all 64 bits count. */
  readonly sequence: bigint
  /** 0 where the publisher gave none. */
  readonly refreshHintSeconds: number
  /** What came along with the X.509 authorities, of them or of others: each counts where its issuer signed it. */
  readonly crls?: readonly Crl[] | undefined
}

/** Finds the bundle of an ID's own trust domain; an SVID is never checked against another's. */
export interface BundleLookup {
  bundleOf(trustDomain: TrustDomain): Bundle | undefined
}

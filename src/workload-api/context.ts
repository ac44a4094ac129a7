import type { Bundle, BundleLookup } from '../bundle/bundle.ts'
import type { TrustDomain } from '../spiffe-id/spiffe-id.ts'
import type { JwtSvid } from '../svid/jwt-svid.ts'
import type { X509Svid } from '../svid/x509-svid.ts'

/** The bundles of one message, by trust domain: the whole state, nothing of what came before. */
export interface BundleSet extends BundleLookup {
  readonly bundles: ReadonlyMap<TrustDomain, Bundle>
}

/** An SVID with the operator's word for what it is meant for; `''` where there is none. */
export interface HintedX509Svid extends X509Svid {
  readonly hint: string
}

/** All that one message of the X.509 profile said: the whole state, nothing of what came before. */
export interface X509Context extends BundleSet {
  /** At least one; the first is the default identity (Workload API §8). */
  readonly svids: readonly [HintedX509Svid, ...HintedX509Svid[]]
}

/** A JWT-SVID with the operator's word for what it is meant for; `''` where there is none. */
export interface HintedJwtSvid extends JwtSvid {
  readonly hint: string
}

/** At least one; the first is the default identity (Workload API §8). */
export type JwtSvids = readonly [HintedJwtSvid, ...HintedJwtSvid[]]

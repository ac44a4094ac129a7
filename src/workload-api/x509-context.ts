import type { Bundle, BundleLookup } from '../bundle/bundle.ts'
import { CountersignError } from '../errors.ts'
import type { X509SVIDResponse } from '../rpc/gen/X509SVIDResponse.ts'
import { SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { type X509Svid, x509SvidFrom } from '../svid/x509-svid.ts'
import { splitCertificates } from '../x509/certificate.ts'
import { type Crl, parseCrls } from '../x509/crl.ts'

/** An SVID with the operator's word for what it is meant for; `''` where there is none. */
export interface HintedX509Svid extends X509Svid {
  readonly hint: string
}

/** All that one message of the X.509 profile said: the whole state, nothing of what came before. */
export interface X509Context extends BundleLookup {
  /** At least one; the first is the default identity (Workload API §8). */
  readonly svids: readonly [HintedX509Svid, ...HintedX509Svid[]]
}

/**
 * Reads a message of `FetchX509SVID`. The ID of an SVID is its certificate's. Of two SVIDs with one hint
 * the first counts (§5.2.1). Throws for the whole message (§4.5) `invalid`: `x509-context-field`,
 * `certificate-…`, `crl-malformed`, `trust-domain-…`; `unauthenticated`: `svid-…`.
 */
export function readX509Context(response: X509SVIDResponse): X509Context {
  const bundles = new Map<TrustDomain, Bundle>()
  const svids: HintedX509Svid[] = []
  const hints = new Set<string>()
  const crls = parseCrls(response.crl)
  for (const wire of response.svids) {
    const { spiffe_id: id, x509_svid: chain, x509_svid_key: key, bundle, hint } = wire
    if (id === '' || chain.length === 0 || key.length === 0 || bundle.length === 0) missing()
    const svid = x509SvidFrom(splitCertificates(chain), Buffer.from(key))
    const trustDomain = SpiffeId.trustDomainOf(svid.spiffeId)
    bundles.set(trustDomain, x509Bundle(trustDomain, bundle, crls))
    if (hint === '' || !hints.has(hint)) svids.push({ ...svid, hint })
    hints.add(hint)
  }
  for (const [id, bundle] of Object.entries(response.federated_bundles)) {
    const trustDomain = TrustDomain.parseIdOrName(id)
    // What comes beside an SVID says more of its own trust domain than anybody else may.
    if (!bundles.has(trustDomain)) bundles.set(trustDomain, x509Bundle(trustDomain, bundle, crls))
  }
  const [first, ...others] = svids
  if (first === undefined) return missing()
  return { svids: [first, ...others], bundleOf: (trustDomain) => bundles.get(trustDomain) }
}

/** For X509-SVIDs only (§5.2.1): there are no JWT authorities in it. */
function x509Bundle(trustDomain: TrustDomain, der: Uint8Array, crls: readonly Crl[]): Bundle {
  return {
    trustDomain,
    x509Authorities: splitCertificates(der).map((certificate) => ({ certificate, tainted: false })),
    jwtAuthorities: [],
    sequence: 0n,
    refreshHintSeconds: 0,
    crls,
  }
}

function missing(): never {
  throw new CountersignError('invalid', 'a message of the Workload API lacks a field', {
    reason: 'x509-context-field',
  })
}

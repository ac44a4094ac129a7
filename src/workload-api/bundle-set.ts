import type { Bundle } from '../bundle/bundle.ts'
import { parseJwtBundleJwks } from '../bundle/document.ts'
import { CountersignError } from '../errors.ts'
import type { JWTBundlesResponse } from '../rpc/gen/JWTBundlesResponse.ts'
import type { X509BundlesResponse } from '../rpc/gen/X509BundlesResponse.ts'
import { SpiffeId, type TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { splitCertificates } from '../x509/certificate.ts'
import { type Crl, parseCrls } from '../x509/crl.ts'
import type { BundleSet } from './context.ts'
import type { Profile } from './profile.ts'

/**
 * `FetchX509Bundles`: for X509-SVIDs only (§5.2.2). Throws `invalid`: `message-…`, `spiffe-id-…`,
 * `trust-domain-…`, `certificate-…`, `crl-malformed`.
 */
export const x509Bundles: Profile<'FetchX509Bundles', BundleSet> = {
  rpc: 'FetchX509Bundles',
  read(response: X509BundlesResponse) {
    const crls = parseCrls(response.crl)
    return readEach(response.bundles, (trustDomain, der) => x509Bundle(trustDomain, der, crls))
  },
}

/** `FetchJWTBundles`: for JWT-SVIDs only (§6.2.2). Throws `invalid`: `message-field`, `spiffe-id-…`, `bundle-…`. */
export const jwtBundles: Profile<'FetchJWTBundles', BundleSet> = {
  rpc: 'FetchJWTBundles',
  read: (response: JWTBundlesResponse) => readEach(response.bundles, jwtBundle),
}

/** At least the bundle of the own trust domain is in the answer (§5.2.2, §6.2.2). */
function readEach(
  wire: Readonly<Record<string, Uint8Array>>,
  read: (trustDomain: TrustDomain, bytes: Uint8Array) => Bundle,
): BundleSet {
  const entries = Object.entries(wire)
  if (entries.length === 0) missingField()
  const bundles = entries.map(([id, bytes]) => {
    const trustDomain = trustDomainOfKey(id)
    return [trustDomain, read(trustDomain, bytes)] as const
  })
  return bundleSet(new Map(bundles))
}

export function bundleSet(bundles: ReadonlyMap<TrustDomain, Bundle>): BundleSet {
  return { bundles, bundleOf: (trustDomain) => bundles.get(trustDomain) }
}

/** §5.1: bundles stand under the SPIFFE IDs of their trust domains. */
export function trustDomainOfKey(key: string): TrustDomain {
  const id = SpiffeId.parse(key)
  if (SpiffeId.pathOf(id) !== '') {
    throw new CountersignError(
      'invalid',
      'a bundle does not stand under the ID of a trust domain',
      {
        reason: 'message-bundle-key',
      },
    )
  }
  return SpiffeId.trustDomainOf(id)
}

/** `der`: DER, DER, … The lists are all that came along: each counts where its issuer signed it. */
export function x509Bundle(
  trustDomain: TrustDomain,
  der: Uint8Array,
  crls: readonly Crl[],
): Bundle {
  const x509Authorities = splitCertificates(der).map((certificate) => ({
    certificate,
    tainted: false,
  }))
  return { ...emptyBundle(trustDomain), x509Authorities, crls }
}

function jwtBundle(trustDomain: TrustDomain, jwks: Uint8Array): Bundle {
  return { ...emptyBundle(trustDomain), jwtAuthorities: parseJwtBundleJwks(jwks) }
}

/** Trusts nothing. The Workload API tells no sequence and no refresh hint. */
export function emptyBundle(trustDomain: TrustDomain): Bundle {
  return {
    trustDomain,
    x509Authorities: [],
    jwtAuthorities: [],
    sequence: 0n,
    refreshHintSeconds: 0,
  }
}

/** §4.5: a field that has to be there holds its default. */
export function missingField(): never {
  throw new CountersignError('invalid', 'a message of the Workload API lacks a field', {
    reason: 'message-field',
  })
}

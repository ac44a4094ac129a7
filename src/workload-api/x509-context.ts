import type { Bundle } from '../bundle/bundle.ts'
import { CountersignError } from '../errors.ts'
import type { X509SVIDResponse } from '../rpc/gen/X509SVIDResponse.ts'
import { SpiffeId, type TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { x509SvidFrom } from '../svid/x509-svid.ts'
import { splitCertificates } from '../x509/certificate.ts'
import { parseCrls } from '../x509/crl.ts'
import { bundleSet, missingField, trustDomainOfKey, x509Bundle } from './bundle-set.ts'
import type { HintedX509Svid, X509Context } from './context.ts'
import type { Profile } from './profile.ts'

/**
 * `FetchX509SVID`. Of two SVIDs with one hint the first counts (§5.2.1). That an SVID has run out, or does
 * not lead to its bundle, is no fault of the message, which may be what takes an authority away. Throws for the whole message (§4.5) `invalid`: `message-…`, `certificate-…`,
 * `crl-malformed`, `spiffe-id-…`, `trust-domain-…`; `unauthenticated`: `svid-…`.
 */
export const x509Contexts: Profile<'FetchX509SVID', X509Context> = {
  rpc: 'FetchX509SVID',
  read: readX509Context,
}

function readX509Context(response: X509SVIDResponse): X509Context {
  const bundles = new Map<TrustDomain, Bundle>()
  const svids: HintedX509Svid[] = []
  const hints = new Set<string>()
  const crls = parseCrls(response.crl)
  for (const wire of response.svids) {
    const { spiffe_id: id, x509_svid: chain, x509_svid_key: key, bundle, hint } = wire
    if (id === '' || chain.length === 0 || key.length === 0 || bundle.length === 0) missingField()
    const svid = x509SvidFrom(splitCertificates(chain), Buffer.from(key))
    if (svid.spiffeId !== id) {
      throw new CountersignError('invalid', 'an SVID came under another ID than its own', {
        reason: 'message-svid-id',
      })
    }
    const trustDomain = SpiffeId.trustDomainOf(svid.spiffeId)
    bundles.set(trustDomain, x509Bundle(trustDomain, bundle, crls))
    if (hint === '' || !hints.has(hint)) svids.push({ ...svid, hint })
    hints.add(hint)
  }
  for (const [key, bundle] of Object.entries(response.federated_bundles)) {
    const trustDomain = trustDomainOfKey(key)
    // What comes beside an SVID says more of its own trust domain than anybody else may.
    if (!bundles.has(trustDomain)) bundles.set(trustDomain, x509Bundle(trustDomain, bundle, crls))
  }
  const [first, ...others] = svids
  if (first === undefined) return missingField()
  return { svids: [first, ...others], ...bundleSet(bundles) }
}

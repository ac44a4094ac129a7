import { CountersignError } from '../errors.ts'
import type { Bundle$Input } from '../rpc/gen/spire/api/types/Bundle.ts'
import { readTextFile } from './item-status.ts'

/**
 * The bundle of a trust domain as a file holds it: PEM certificates, or the SPIFFE bundle document.
 * Throws `invalid`: `bundle-file`, `trust-domain-…`, and what the readers throw.
 */
export async function readBundleFile(path: string, trustDomain: string): Promise<Bundle$Input> {
  const text = await readTextFile(path, 'bundle-file')
  const { TrustDomain } = await import('../spiffe-id/spiffe-id.ts')
  const name = TrustDomain.parseIdOrName(trustDomain)
  if (text.trimStart().startsWith('{')) {
    const { parseBundleDocument } = await import('../bundle/document.ts')
    const { bundleToWire } = await import('../rpc/convert.ts')
    return bundleToWire(parseBundleDocument(name, text))
  }
  const { fromPem } = await import('../x509/pem.ts')
  const certificates = fromPem(text).filter(({ label }) => label === 'CERTIFICATE')
  if (certificates.length === 0) {
    throw new CountersignError('invalid', `${path} holds no bundle`, {
      reason: 'bundle-file',
      fix: 'give PEM certificates, or the document that "bundle show --format spiffe" prints',
    })
  }
  return { trust_domain: name, x509_authorities: certificates.map(({ der }) => ({ asn1: der })) }
}

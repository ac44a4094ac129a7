import type { Bundle } from '../bundle/bundle.ts'
import { parseBundleDocument } from '../bundle/document.ts'
import type { TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { type FetchDocumentOptions, fetchDocument } from './fetch-document.ts'
import { checkSuccessor } from './successor.ts'

/** Whose bundle is fetched, from where, and by which profile. */
export interface FetchBundleOptions extends Omit<FetchDocumentOptions, 'post'> {
  /** Whose bundle it is; nothing that is fetched can say otherwise. */
  readonly trustDomain: TrustDomain
  /** The bundle that is held now: what is fetched must not lead back behind it. */
  readonly held?: Bundle | undefined
}

/**
 * Fetches the bundle of another trust domain from its bundle endpoint (SPIFFE Federation §5), by the
 * profile that was agreed on and no other, within 10 s. No redirect is followed, no proxy asked. Throws
 * the signal's reason, and `invalid` (`federation-url`, `federation-encoding`, `bundle-…`), `forbidden`
 * (`federation-address`, `federation-port`), `unauthenticated` (`federation-certificate`,
 * `federation-endpoint-id`, `svid-…`), `conflict` (`federation-sequence`, `federation-empty`),
 * `unavailable` (`federation-…`, `tls-…`).
 */
export async function fetchBundle(options: FetchBundleOptions): Promise<Bundle> {
  const { trustDomain, held } = options
  const bundle = parseBundleDocument(trustDomain, await fetchDocument(options))
  checkSuccessor(bundle, held)
  return bundle
}

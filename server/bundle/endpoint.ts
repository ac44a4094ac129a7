import type { Bundle } from '../../src/bundle/bundle.ts'
import { writeBundleDocument } from '../../src/bundle/document.ts'
import { contextOptions, type TlsIdentity } from '../../src/mtls/context.ts'
import type { Log } from '../../src/runtime/log.ts'
import { serveDocuments } from '../documents/serve-documents.ts'
import type { TlsSource } from '../documents/serve-web.ts'
import { tlsFromFiles } from '../documents/web-files.ts'
import type { BundleEndpointSettings } from './settings.ts'

const name = 'bundle-endpoint'
const setting = 'federation.bundle_endpoint'

export interface BundleEndpointDeps {
  readonly ownBundle: () => Bundle
  /** The server's own SVID, and how to hear that it is another one. */
  readonly identity: () => TlsIdentity
  readonly onIdentityChange: (listener: () => void) => () => void
  /** Called once it can be called. */
  readonly opened: () => void
  readonly log: Log
}

/**
 * Serves the trust domain's own bundle to everybody until the signal aborts (SPIFFE Federation §5): at
 * each request as it is by then. Throws `unavailable` `bundle-endpoint-address`; with `https_web`
 * `invalid` `bundle-endpoint-certificate` and `forbidden` `bundle-endpoint-key-mode`.
 */
export function serveBundle(
  { address, profile }: BundleEndpointSettings,
  deps: BundleEndpointDeps,
  signal: AbortSignal,
): Promise<void> {
  const endpoint = {
    name,
    setting,
    address,
    opened: deps.opened,
    tls: profile.type === 'https_web' ? tlsFromFiles(profile, name, setting) : tlsFromSvid(deps),
    documents: new Map([['/', () => writeBundleDocument(deps.ownBundle())]]),
    cacheControl: 'no-cache',
  }
  return serveDocuments(endpoint, deps.log, signal)
}

function tlsFromSvid({ identity, onIdentityChange }: BundleEndpointDeps): TlsSource {
  return {
    options: () => contextOptions(identity(), { minVersion: 'TLSv1.2', alpn: [] }),
    onChange: onIdentityChange,
  }
}

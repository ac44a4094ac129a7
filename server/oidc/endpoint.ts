import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Log } from '../../src/runtime/log.ts'
import { maxAgeSeconds } from '../documents/key-set.ts'
import { serveDocuments } from '../documents/serve-documents.ts'
import { tlsFromFiles } from '../documents/web-files.ts'
import { configurationDocument, keysDocument, pathsOf } from './documents.ts'
import type { OidcSettings } from './settings.ts'

export interface OidcDeps {
  readonly ownBundle: () => Bundle
  readonly authorityTtlSeconds: number
  /** Called once it can be called. */
  readonly opened: () => void
  readonly log: Log
}

/**
 * Serves discovery document and keys of the issuer until the signal aborts: GET only, the same to
 * everybody, to requests for one of its hosts. Throws `unavailable` `oidc-address`; `invalid`
 * `oidc-certificate` and `forbidden` `oidc-key-mode` for the files.
 */
export function serveOidc(
  { address, hosts, issuer, tls }: OidcSettings,
  deps: OidcDeps,
  signal: AbortSignal,
): Promise<void> {
  const { configuration, keys } = pathsOf(issuer)
  const endpoint = {
    name: 'oidc',
    setting: 'oidc',
    address,
    hosts,
    opened: deps.opened,
    tls: tls && tlsFromFiles(tls, 'oidc', 'oidc'),
    documents: new Map([
      [configuration, () => configurationDocument(issuer)],
      [keys, () => keysDocument(deps.ownBundle())],
    ]),
    cacheControl: `public, max-age=${maxAgeSeconds(deps.authorityTtlSeconds)}, must-revalidate`,
  }
  return serveDocuments(endpoint, deps.log, signal)
}

import { readJwkSet } from '../../../src/bundle/jwk-set.ts'
import type { EndpointProfile } from '../../../src/federation/connect.ts'
import type { Download, Post } from '../../../src/federation/download.ts'
import { exchangeDocument } from '../../../src/federation/fetch-document.ts'
import type { HostLookup } from '../../../src/federation/locate.ts'
import { parseNetworks } from '../../../src/federation/networks.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { checkCertificates, readBounded, readPem } from '../named-file.ts'
import type { Reach } from '../reach-settings.ts'
import type { FederatedIssuer } from './settings.ts'

export interface ReachDeps {
  readonly clock: Clock
  /** As this machine resolves names unless told. */
  readonly lookup?: HostLookup | undefined
}

/** Fetches a document within what the settings allow. Throws as `fetchDocument` and `readBounded`. */
export async function fetchWithin(
  ...[reach, url, deps, options]: Parameters<typeof exchangeWithin>
): Promise<string> {
  return (await exchangeWithin(reach, url, deps, options)).text
}

/** As `fetchWithin`, and tells the status of the answer too. */
export async function exchangeWithin(
  reach: Reach,
  url: string,
  { clock, lookup }: ReachDeps,
  options: { readonly post?: Post; readonly signal?: AbortSignal } = {},
): Promise<Download> {
  const { webCa, allowedNetworks, allowedPorts } = reach
  const profile: EndpointProfile =
    webCa === undefined ? { type: 'https_web' } : { type: 'https_web', ca: [await readPem(webCa)] }
  return exchangeDocument({
    ...{ url, profile, allowedPorts, clock, ...options },
    allowedNetworks: parseNetworks(allowedNetworks),
    ...(lookup !== undefined && { lookup }),
  })
}

/**
 * Before they come into force, so that a slip of the pen does not wait for the first token. Throws `unavailable`
 * `federated-file` where a file that they name cannot be read, or is not what it should be.
 */
export async function checkFiles(issuers: ReadonlyMap<string, FederatedIssuer>): Promise<void> {
  for (const issuer of issuers.values()) await checkFilesOf(issuer)
}

async function checkFilesOf({ keys, reach, tokenReview }: FederatedIssuer): Promise<void> {
  if (keys.at === 'file') readJwkSet(await readBounded(keys.path))
  if (tokenReview !== undefined) await readBounded(tokenReview.tokenFile)
  for (const path of [reach.webCa, tokenReview?.caFile]) await checkCertificates(path)
}

import type { Bundle } from '../../src/bundle/bundle.ts'
import { jwtBundleJwks, x509BundleDer } from '../../src/bundle/document.ts'
import { serviceDefinition } from '../../src/rpc/services.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { WorkloadUpdate } from '../cache/cache.ts'
import { noIdentity, svidPending } from './handler-deps.ts'

type Write = (bundle: Bundle) => Buffer

function rememberedByBundle(write: Write): Write {
  const written = new WeakMap<Bundle, Buffer>()
  return (bundle) => {
    let bytes = written.get(bundle)
    if (bytes === undefined) {
      bytes = write(bundle)
      written.set(bundle, bytes)
    }
    return bytes
  }
}

const der = rememberedByBundle(x509BundleDer)
const jwks = rememberedByBundle(jwtBundleJwks)

/** By the SPIFFE ID of each trust domain (Workload API §5.1), in its order, so that equal is equal. */
function byTrustDomain(bundles: Iterable<Bundle>, write: Write): Record<string, Buffer> {
  const named = [...bundles].map(
    (bundle) => [TrustDomain.toId(bundle.trustDomain), write(bundle)] as const,
  )
  return Object.fromEntries(named.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Workload API §5.2.1. Throws `forbidden` (`no-identity`), or `unavailable` (`svid-pending`) where nothing has been signed yet. */
export function encodeX509Svids(update: WorkloadUpdate): Buffer {
  if (update.entries.length === 0) throw noIdentity()
  if (update.identities.length === 0) throw svidPending()
  const bundle = der(update.bundle)
  return serviceDefinition('SpiffeWorkloadAPI').FetchX509SVID.responseSerialize({
    svids: update.identities.map(({ entry, svid }) => ({
      spiffe_id: svid.spiffeId,
      x509_svid: Buffer.concat(svid.chain),
      x509_svid_key: svid.privateKey,
      bundle,
      hint: entry.hint,
    })),
    federated_bundles: byTrustDomain(update.federated.values(), der),
  })
}

/** Workload API §5.2.2. Throws `forbidden` (`no-identity`). */
export function encodeX509Bundles(update: WorkloadUpdate): Buffer {
  if (update.entries.length === 0) throw noIdentity()
  return serviceDefinition('SpiffeWorkloadAPI').FetchX509Bundles.responseSerialize({
    bundles: byTrustDomain([update.bundle, ...update.federated.values()], der),
  })
}

/** Workload API §6.2.2. Throws `forbidden` (`no-identity`). */
export function encodeJwtBundles(update: WorkloadUpdate): Buffer {
  if (update.entries.length === 0) throw noIdentity()
  return serviceDefinition('SpiffeWorkloadAPI').FetchJWTBundles.responseSerialize({
    bundles: byTrustDomain([update.bundle, ...update.federated.values()], jwks),
  })
}

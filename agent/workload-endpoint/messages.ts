import type { Bundle } from '../../src/bundle/bundle.ts'
import { jwtBundleJwks, x509BundleDer } from '../../src/bundle/document.ts'
import { serviceDefinition } from '../../src/rpc/services.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { WorkloadUpdate } from '../cache/cache.ts'
import { noIdentity, svidPending } from './handler-deps.ts'

type Write = (bundle: Bundle) => Buffer
/** Told of trust domains whose bundles are too large for a message. */
type LeftOut = (trustDomainIds: readonly string[]) => void

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

type Named = readonly [id: string, bytes: Buffer]

/** Clients of gRPC take messages of 4 MiB unless they are told otherwise; a workload's own part has room beside this. */
const maxForeignBytes = 3 << 20

/**
 * The bundles of others, the smallest first, as far as there is room: one that is very large costs its own
 * trust domain its place, and no workload its SVID.
 */
function foreign({ federated }: WorkloadUpdate, write: Write, leftOut: LeftOut): readonly Named[] {
  const named = [...federated.values()].map((bundle) => nameOf(bundle, write))
  named.sort(([, a], [, b]) => a.length - b.length)
  let bytes = 0
  const end = named.findIndex(([, bundle]) => {
    bytes += bundle.length
    return bytes > maxForeignBytes
  })
  if (end === -1) return named
  leftOut(named.slice(end).map(([id]) => id))
  return named.slice(0, end)
}

function nameOf(bundle: Bundle, write: Write): Named {
  return [TrustDomain.toId(bundle.trustDomain), write(bundle)]
}

/** By the SPIFFE ID of each trust domain (Workload API §5.1), in its order, so that equal is equal. */
function byId(named: readonly Named[]): Record<string, Buffer> {
  return Object.fromEntries(named.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** Workload API §5.2.1. Throws `forbidden` (`no-identity`), or `unavailable` (`svid-pending`) where nothing has been signed yet. */
export function encodeX509Svids(update: WorkloadUpdate, leftOut: LeftOut): Buffer {
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
    federated_bundles: byId(foreign(update, der, leftOut)),
  })
}

/** Workload API §5.2.2. Throws `forbidden` (`no-identity`). */
export function encodeX509Bundles(update: WorkloadUpdate, leftOut: LeftOut): Buffer {
  if (update.entries.length === 0) throw noIdentity()
  return serviceDefinition('SpiffeWorkloadAPI').FetchX509Bundles.responseSerialize({
    bundles: byId([nameOf(update.bundle, der), ...foreign(update, der, leftOut)]),
  })
}

/** Workload API §6.2.2. Throws `forbidden` (`no-identity`). */
export function encodeJwtBundles(update: WorkloadUpdate, leftOut: LeftOut): Buffer {
  if (update.entries.length === 0) throw noIdentity()
  return serviceDefinition('SpiffeWorkloadAPI').FetchJWTBundles.responseSerialize({
    bundles: byId([nameOf(update.bundle, jwks), ...foreign(update, jwks, leftOut)]),
  })
}

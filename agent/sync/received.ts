import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { bundleFromWire, entryFromWire } from '../../src/rpc/convert.ts'
import type { GoodFrom as WireGoodFrom } from '../../src/rpc/gen/countersign/sync/v1/GoodFrom.ts'
import type { Bundle as WireBundle } from '../../src/rpc/gen/spire/api/types/Bundle.ts'
import type { Entry as WireEntry } from '../../src/rpc/gen/spire/api/types/Entry.ts'
import { SpiffeId, type TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { GoodFrom } from '../cache/snapshot.ts'

/** Far above what one node is for; a server that sends more is broken or no server of ours. */
export const maxItems = 500_000

/** Throws `invalid`, where no workload of this node may ever have the entry's ID. */
export function receivedEntry(own: TrustDomain, wire: WireEntry): Entry {
  const entry = entryFromWire(wire)
  if (entry.id === '' || SpiffeId.trustDomainOf(entry.spiffeId) !== own) {
    throw broken('sync-entry', 'the entry has no id, or names another trust domain')
  }
  return entry
}

/** Throws `invalid`, where under the own bundle no server could be believed ever again. */
export function receivedBundle(own: TrustDomain, wire: WireBundle): Bundle {
  const bundle = bundleFromWire(wire)
  if (bundle.trustDomain === own && bundle.x509Authorities.length === 0) {
    throw broken('sync-bundle', 'the bundle of this trust domain has no X.509 authority')
  }
  return bundle
}

/** Throws `invalid` / `sync-good-from`. */
export function receivedGoodFrom(wire: WireGoodFrom, renewAtMs: number): GoodFrom {
  const [x509, jwt] = [Number(wire.x509_not_before), Number(wire.jwt_issued_at)]
  if (Number.isSafeInteger(x509) && Number.isSafeInteger(jwt)) return { x509, jwt, renewAtMs }
  throw broken('sync-good-from', 'a time is none')
}

/** What a server sends that it should not. */
export function broken(reason: string, message: string): CountersignError {
  return new CountersignError('invalid', message, { reason })
}

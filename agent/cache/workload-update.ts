import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Snapshot } from './snapshot.ts'
import type { Identity, Need, WorkloadUpdate } from './updates.ts'

/** Workload API §8: the default identity is the first, and the order is the same in every message. */
export function inOrder(entries: readonly Entry[]): Entry[] {
  return entries.toSorted((a, b) => {
    const age = a.createdAt.getTime() - b.createdAt.getTime()
    return age !== 0 ? age : a.id < b.id ? -1 : 1
  })
}

/** The update for a workload that these entries (in order) match; undefined without an own bundle. */
export function updateFor(
  snapshot: Snapshot,
  trustDomain: TrustDomain,
  entries: readonly Entry[],
): WorkloadUpdate | undefined {
  const bundle = snapshot.bundles.get(trustDomain)
  if (bundle === undefined) return undefined
  return {
    identities: identitiesOf(snapshot, entries),
    entries,
    bundle,
    federated: federatedOf(snapshot, trustDomain, entries),
  }
}

function identitiesOf(snapshot: Snapshot, entries: readonly Entry[]): Identity[] {
  const identities: Identity[] = []
  const hints = new Set<string>()
  for (const entry of entries) {
    const held = snapshot.svids.get(entry.id)
    // WLA-25: a hint stands once in a message; the older entry keeps it.
    if (held === undefined || hints.has(entry.hint)) continue
    if (entry.hint !== '') hints.add(entry.hint)
    identities.push({ entry, svid: held.svid })
  }
  return identities
}

function federatedOf(
  snapshot: Snapshot,
  trustDomain: TrustDomain,
  entries: readonly Entry[],
): ReadonlyMap<TrustDomain, Bundle> {
  const federated = new Map<TrustDomain, Bundle>()
  for (const entry of entries) {
    for (const name of entry.federatesWith) {
      const bundle = snapshot.bundles.get(name)
      if (bundle !== undefined && name !== trustDomain) federated.set(name, bundle)
    }
  }
  return federated
}

/** How two updates differ for who reads them. An addition can wait for the SVID that it belongs to. */
export type Difference = 'none' | 'addition' | 'other'

export function differenceOf(told: WorkloadUpdate, now: WorkloadUpdate, need: Need): Difference {
  if (told === now) return 'none'
  if (told.bundle !== now.bundle || (need === 'svids' && !sameIdentities(told, now))) return 'other'
  for (const [name, bundle] of told.federated) {
    if (now.federated.get(name) !== bundle) return 'other'
  }
  // Whoever loses his last entry is told so; whoever gets his first waits for its SVID.
  if (told.entries.length > 0 && now.entries.length === 0) return 'other'
  const more =
    now.federated.size > told.federated.size ||
    (told.entries.length === 0 && now.entries.length > 0)
  return more ? 'addition' : 'none'
}

function sameIdentities(a: WorkloadUpdate, b: WorkloadUpdate): boolean {
  return (
    a.identities.length === b.identities.length &&
    a.identities.every((identity, at) => {
      const other = b.identities[at]
      return identity.svid === other?.svid && identity.entry.hint === other.entry.hint
    })
  )
}

import type { Bundle } from '../../src/bundle/bundle.ts'
import { sameBundle } from '../../src/bundle/document.ts'
import type { Entry } from '../../src/entry/entry.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { HeldSvid } from './held-svid.ts'
import { sameEntry } from './same-entry.ts'
import type { Change, Snapshot } from './snapshot.ts'

export interface Applied {
  readonly next: Snapshot
  /** By id; undefined: gone. Empty where a snapshot brought nothing new. */
  readonly entries: ReadonlyMap<string, Entry | undefined>
  readonly bundlesChanged: boolean
}

/**
 * The snapshot after a change. What says the same as before stays the same object, so that a
 * snapshot after a reconnect wakes nobody.
 */
export function applyChange(before: Snapshot, change: Change, own: TrustDomain): Applied {
  const entries = changedEntries(before, change)
  const bundles = nextBundles(before, change, own)
  return {
    next: {
      logId: change.logId,
      position: change.position,
      entries: before.entries.with(entries),
      bundles: bundles ?? before.bundles,
      svids: before.svids.with(withdrawnSvids(before, entries)),
    },
    entries,
    bundlesChanged: bundles !== undefined,
  }
}

function changedEntries(before: Snapshot, change: Change): ReadonlyMap<string, Entry | undefined> {
  const changed = new Map<string, Entry | undefined>()
  const present = new Set<string>()
  // Each decoded string is one of its own, also where ten thousand entries name the same parent.
  const parents = new Map<SpiffeId, SpiffeId>()
  for (const id of change.removedEntryIds) if (before.entries.has(id)) changed.set(id, undefined)
  for (const entry of change.entries) {
    present.add(entry.id)
    const old = before.entries.get(entry.id)
    if (old !== undefined && sameEntry(old, entry)) changed.delete(entry.id)
    else {
      const parentId = parents.get(entry.parentId) ?? entry.parentId
      parents.set(parentId, parentId)
      changed.set(entry.id, { ...entry, parentId })
    }
  }
  if (change.snapshot) {
    for (const id of before.entries.keys()) if (!present.has(id)) changed.set(id, undefined)
  }
  return changed
}

function nextBundles(
  before: Snapshot,
  change: Change,
  own: TrustDomain,
): ReadonlyMap<TrustDomain, Bundle> | undefined {
  const next = new Map(before.bundles)
  let changed = false
  const drop = (name: TrustDomain): void => {
    // The own bundle is what the server itself is checked with: it is replaced, never taken away.
    if (name !== own && next.delete(name)) changed = true
  }
  for (const name of change.removedTrustDomains) drop(name)
  for (const bundle of change.bundles) {
    const old = next.get(bundle.trustDomain)
    if (old !== undefined && sameBundle(old, bundle)) continue
    next.set(bundle.trustDomain, bundle)
    changed = true
  }
  if (change.snapshot) {
    const present = new Set(change.bundles.map((bundle) => bundle.trustDomain))
    for (const name of before.bundles.keys()) if (!present.has(name)) drop(name)
  }
  return changed ? next : undefined
}

/** An SVID goes with its entry, and at once when the entry stands for another ID now. */
function withdrawnSvids(
  before: Snapshot,
  entries: ReadonlyMap<string, Entry | undefined>,
): [string, HeldSvid | undefined][] {
  const withdrawn: [string, undefined][] = []
  for (const [id, entry] of entries) {
    const held = before.svids.get(id)
    if (held !== undefined && held.svid.spiffeId !== entry?.spiffeId)
      withdrawn.push([id, undefined])
  }
  return withdrawn
}

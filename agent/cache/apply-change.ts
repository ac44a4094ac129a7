import type { Bundle } from '../../src/bundle/bundle.ts'
import { sameBundle } from '../../src/bundle/document.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { SelectorMatcher } from '../../src/entry/match.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { isServed } from './prefetch.ts'
import { sameEntry } from './same-entry.ts'
import type { SharedMap } from './shared-map.ts'
import type { Change, Snapshot } from './snapshot.ts'

/** What a change makes of a snapshot, but for its SVIDs: those may change while it is prepared. */
export interface Prepared extends Omit<Snapshot, 'svids'> {
  /** By id; undefined: gone. Empty where a snapshot brought nothing new. */
  readonly changed: ReadonlyMap<string, Entry | undefined>
  readonly bundlesChanged: boolean
  /** A new index of the entries, where so many have changed that those are no work for one moment. */
  readonly index: SelectorMatcher<Entry> | undefined
}

const stepSize = 64
const indexedAtOnce = 256

/**
 * Prepares the snapshot after a change; whoever runs it may pause at each step. What says the same as
 * before stays the same object, so that a snapshot after a reconnect wakes nobody.
 */
export function* prepareChange(
  before: Snapshot,
  change: Change,
  own: TrustDomain,
): Generator<void, Prepared, void> {
  const changed = yield* changedEntries(before, change)
  const bundles = nextBundles(before, change, own)
  const entries = yield* before.entries.withInSteps(changed)
  return {
    logId: change.logId,
    position: change.position,
    entries,
    bundles: bundles ?? before.bundles,
    goodFrom: nextGoodFrom(before, change),
    changed,
    bundlesChanged: bundles !== undefined,
    index: changed.size > indexedAtOnce ? yield* indexOf(entries) : undefined,
  }
}

function* indexOf(entries: SharedMap<Entry>): Generator<void, SelectorMatcher<Entry>, void> {
  const index = new SelectorMatcher<Entry>()
  let done = 0
  for (const entry of entries.values()) {
    if (isServed(entry)) index.put(entry)
    done += 1
    if (done % stepSize === 0) yield
  }
  return index
}

function* changedEntries(
  before: Snapshot,
  change: Change,
): Generator<void, ReadonlyMap<string, Entry | undefined>, void> {
  const changed = new Map<string, Entry | undefined>()
  const present = new Set<string>()
  // Each decoded string is one of its own, also where ten thousand entries name the same parent.
  const parents = new Map<SpiffeId, SpiffeId>()
  for (const id of change.removedEntryIds) if (before.entries.has(id)) changed.set(id, undefined)
  for (const entry of change.entries) {
    present.add(entry.id)
    if (present.size % stepSize === 0) yield
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

/** The same as before where nothing is new. */
function nextGoodFrom(before: Snapshot, change: Change): Snapshot['goodFrom'] {
  const next = new Map(change.snapshot ? [] : before.goodFrom)
  for (const id of change.removedEntryIds) next.delete(id)
  for (const { id } of change.entries) {
    const [was, is] = [before.goodFrom.get(id), change.goodFrom.get(id)]
    if (is === undefined) next.delete(id)
    else next.set(id, was?.x509 === is.x509 && was.jwt === is.jwt ? was : is)
  }
  const isSame =
    next.size === before.goodFrom.size &&
    Array.from(next).every(([id, one]) => before.goodFrom.get(id) === one)
  return isSame ? before.goodFrom : next
}

/** An SVID goes with its entry, and at once when the entry stands for another ID now. */
export function withdrawnSvids(
  svids: Snapshot['svids'],
  changed: ReadonlyMap<string, Entry | undefined>,
): [string, undefined][] {
  const withdrawn: [string, undefined][] = []
  for (const [id, entry] of changed) {
    const held = svids.get(id)
    if (held !== undefined && held.svid.spiffeId !== entry?.spiffeId) {
      withdrawn.push([id, undefined])
    }
  }
  return withdrawn
}

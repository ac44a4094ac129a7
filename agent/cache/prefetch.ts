import type { Entry } from '../../src/entry/entry.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * The entries whose X.509-SVID this node keeps, most urgent first: those that a workload waits for,
 * those that one uses, then up to `max` in all: the ones used last that are there, then any others.
 */
export function chooseWanted(input: {
  readonly snapshot: Snapshot
  readonly waiting: Iterable<string>
  readonly subscribed: Iterable<string>
  /** When a workload last let go of it, by entry id, in ms of the monotonic clock. */
  readonly lastUsedMs: ReadonlyMap<string, number>
  readonly max: number
}): readonly Entry[] {
  const { snapshot, lastUsedMs, max } = input
  const wanted = new Set<string>([...input.waiting, ...input.subscribed])
  if (wanted.size < max) {
    const spare = [...snapshot.svids.keys()]
      .filter((id) => !wanted.has(id) && mayPrefetch(snapshot.entries.get(id)))
      .sort((a, b) => (lastUsedMs.get(b) ?? -1) - (lastUsedMs.get(a) ?? -1))
    for (const id of spare.slice(0, max - wanted.size)) wanted.add(id)
  }
  if (wanted.size < max) {
    for (const entry of snapshot.entries.values()) {
      if (mayPrefetch(entry)) wanted.add(entry.id)
      if (wanted.size >= max) break
    }
  }
  return [...wanted].flatMap((id) => snapshot.entries.get(id) ?? [])
}

function mayPrefetch(entry: Entry | undefined): boolean {
  return entry !== undefined && !entry.disableX509SvidPrefetch && isServed(entry)
}

/** Entries whose SVIDs go to a secret store are none of the Workload API's. */
export function isServed(entry: Entry): boolean {
  return !entry.storeSvid
}

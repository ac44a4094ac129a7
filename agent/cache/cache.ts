import type { Bundle, BundleLookup } from '../../src/bundle/bundle.ts'
import type { Entry, Selector } from '../../src/entry/entry.ts'
import { SelectorMatcher } from '../../src/entry/match.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { Slice } from '../../src/runtime/slice.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { prepareChange, withdrawnSvids } from './apply-change.ts'
import { hasExpired, nextExpiryInMs } from './expiry.ts'
import type { HeldSvid } from './held-svid.ts'
import { chooseWanted, isServed } from './prefetch.ts'
import {
  boundWait,
  concernedBy,
  deliver,
  type Group,
  groupKey,
  loadOf,
  newGroup,
  type Reader,
} from './readers.ts'
import { RememberedUpdates } from './remembered-updates.ts'
import type { SharedMap } from './shared-map.ts'
import { type Change, emptySnapshot, type Snapshot } from './snapshot.ts'
import type { Need, Updates, WorkloadUpdate } from './updates.ts'
import { inOrder, updateFor } from './workload-update.ts'

export type { Identity, Need, Updates, WorkloadUpdate } from './updates.ts'

/** `wanted`: a workload asks for what is not there yet, or ends. `snapshot`: what can be served is another. */
export type CacheEvent = 'snapshot' | 'wanted'

export interface CacheOptions {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  /** How many X.509-SVIDs are kept; more only where workloads use more. */
  readonly maxX509Svids?: number
}

const defaultMaxX509Svids = 1000
/** How long a stream's first message waits for SVIDs that do not come. */
const firstWaitMs = 5000
/** From how many changed entries on it is cheaper to match every group anew. */
const fewChanges = 8

/** What this node serves its workloads from: one snapshot, and who listens to which part of it. */
export class Cache implements Updates, BundleLookup {
  readonly #trustDomain: TrustDomain
  readonly #clock: Clock
  readonly #max: number
  readonly #groups = new Map<string, Group>()
  readonly #listeners = new Set<(event: CacheEvent) => void>()
  readonly #lastUsedMs = new Map<string, number>()
  /** For selector sets without a stream; good for the snapshot of this moment. */
  readonly #remembered: RememberedUpdates
  #matcher = new SelectorMatcher<Entry>()
  #snapshot = emptySnapshot
  /** How often all was replaced. */
  #restored = 0
  #wanted: readonly Entry[] | undefined

  constructor(options: CacheOptions) {
    this.#trustDomain = options.trustDomain
    this.#clock = options.clock
    this.#remembered = new RememberedUpdates(options.clock)
    this.#max = options.maxX509Svids ?? defaultMaxX509Svids
  }

  get snapshot(): Snapshot {
    return this.#snapshot
  }

  bundleOf(trustDomain: TrustDomain): Bundle | undefined {
    return this.#snapshot.bundles.get(trustDomain)
  }

  /** How many streams are open, and for how many different sets of selectors. */
  get load(): ReturnType<typeof loadOf> {
    return loadOf([...this.#groups.values()])
  }

  /** Calls the listener after each change; returns what ends that. */
  listen(listener: (event: CacheEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Takes over what the server sent, one change at a time: a large one is prepared over many turns of
   * the loop, and holds whole from one moment on. What says the same as before wakes nobody. Throws
   * `conflict` / `cache-replaced` where all that it goes on from was withdrawn meanwhile.
   */
  async apply(change: Change): Promise<void> {
    const before = this.#snapshot
    const restored = this.#restored
    const slice = new Slice(this.#clock)
    const steps = prepareChange(before, change, this.#trustDomain)
    let step = steps.next()
    while (!step.done) {
      if (slice.isOver) await slice.rest()
      step = steps.next()
    }
    if (this.#restored !== restored) throw replaced()
    const { changed, bundlesChanged, index, ...next } = step.value
    const isSame = change.logId === before.logId && change.position === before.position
    const isSaid = next.goodFrom === before.goodFrom
    if (isSame && changed.size === 0 && !bundlesChanged && isSaid) return
    const { svids } = this.#snapshot
    this.#snapshot = { ...next, svids: svids.with(withdrawnSvids(svids, changed)) }
    if (index === undefined) for (const [id, entry] of changed) this.#index(id, entry)
    else this.#matcher = index
    for (const [id, entry] of changed) if (entry === undefined) this.#lastUsedMs.delete(id)
    const concerned =
      bundlesChanged || changed.size > fewChanges
        ? [...this.#groups.values()]
        : concernedBy(changed, this.#groups.values())
    this.#changed(concerned, true)
  }

  /** Takes over SVIDs that were signed, by entry id. One whose entry is gone or has another ID is left out. */
  put(svids: ReadonlyMap<string, HeldSvid>): void {
    const { entries } = this.#snapshot
    const fitting = [...svids].filter(
      ([id, held]) => entries.get(id)?.spiffeId === held.svid.spiffeId,
    )
    this.#replaceSvids(fitting)
  }

  /** Starts from what was kept over a restart. */
  restore(snapshot: Snapshot): void {
    this.#restored += 1
    this.#snapshot = snapshot
    this.#matcher = new SelectorMatcher()
    for (const [id, entry] of snapshot.entries.entries()) this.#index(id, entry)
    this.#changed([...this.#groups.values()], true)
  }

  /** Withdraws every identity. Bundles stay: they are public, and the server is checked with its own. */
  clear(): void {
    this.restore({ ...emptySnapshot, bundles: this.#snapshot.bundles })
  }

  /** The entries whose X.509-SVID is to be there, most urgent first. */
  wanted(): readonly Entry[] {
    this.#wanted ??= this.#chooseWanted()
    return this.#wanted
  }

  /** Lets go of SVIDs that have expired or that nobody wants, and of entries that have expired. */
  settle(): void {
    const nowMs = this.#clock.monotonicMs()
    const wanted = new Set(this.wanted().map((entry) => entry.id))
    const dropped: [string, undefined][] = []
    for (const [id, held] of this.#snapshot.svids.entries()) {
      if (held.expiresAtMs <= nowMs || !wanted.has(id)) dropped.push([id, undefined])
    }
    if (dropped.length > 0) this.#replaceSvids(dropped)
    const now = this.#clock.now()
    const ended = [...this.#groups.values()].filter((group) =>
      group.entries.some((entry) => hasExpired(entry, now)),
    )
    this.#remembered.clear()
    if (ended.length > 0) this.#changed(ended, true)
  }

  /** When the next SVID, or the next entry of an open stream, expires, in ms from now; Infinity: none. */
  nextExpiryInMs(): number {
    return nextExpiryInMs(this.#snapshot.svids.values(), this.#groups.values(), this.#clock)
  }

  current(selectors: readonly Selector[]): WorkloadUpdate | undefined {
    const key = groupKey(selectors)
    const group = this.#groups.get(key)
    if (group !== undefined) return group.update
    return this.#remembered.get(key, () =>
      updateFor(this.#snapshot, this.#trustDomain, this.#match(selectors)),
    )
  }

  watch(
    selectors: readonly Selector[],
    need: Need,
    deliver: (update: WorkloadUpdate) => void,
  ): () => void {
    const reader: Reader = { need, deliver, told: undefined }
    const group = this.#join(selectors, reader)
    return () => this.#leave(group, reader)
  }

  #join(selectors: readonly Selector[], reader: Reader): Group {
    const key = groupKey(selectors)
    let group = this.#groups.get(key)
    if (group === undefined) {
      group = newGroup(key, selectors)
      this.#groups.set(key, group)
      group.readers.add(reader)
      this.#refresh(group, true)
    } else {
      group.readers.add(reader)
      deliver(group, [reader])
    }
    if (reader.need === 'svids') {
      group.svidReaders += 1
      if (group.svidReaders === 1) this.#wanted = undefined
    }
    boundWait(group, this.#clock, firstWaitMs)
    // What is there and stays is nobody's business: most workloads come and go without a word here.
    if (!group.complete || group.entries.some(({ expiresAt }) => expiresAt !== undefined)) {
      this.#tell('wanted')
    }
    return group
  }

  #leave(group: Group, reader: Reader): void {
    group.readers.delete(reader)
    if (reader.need === 'svids') {
      group.svidReaders -= 1
      if (group.svidReaders === 0) {
        const nowMs = this.#clock.monotonicMs()
        for (const entry of group.entries) this.#lastUsedMs.set(entry.id, nowMs)
        this.#wanted = undefined
      }
    }
    boundWait(group, this.#clock, firstWaitMs)
    if (group.readers.size === 0 && this.#groups.get(group.key) === group) {
      this.#groups.delete(group.key)
    }
  }

  #index(id: string, entry: Entry | undefined): void {
    if (entry !== undefined && isServed(entry)) this.#matcher.put(entry)
    else this.#matcher.delete(id)
  }

  #match(selectors: readonly Selector[]): readonly Entry[] {
    const now = this.#clock.now()
    return inOrder(this.#matcher.match(selectors).filter((entry) => !hasExpired(entry, now)))
  }

  #replaceSvids(changes: readonly (readonly [string, HeldSvid | undefined])[]): void {
    const ids = new Set(changes.map(([id]) => id))
    const svids: SharedMap<HeldSvid> = this.#snapshot.svids.with(changes)
    this.#snapshot = { ...this.#snapshot, svids }
    const concerned = [...this.#groups.values()].filter((group) =>
      group.entries.some((entry) => ids.has(entry.id)),
    )
    this.#changed(concerned, false)
  }

  #changed(groups: readonly Group[], matchAnew: boolean): void {
    this.#remembered.clear()
    this.#wanted = undefined
    for (const group of groups) this.#refresh(group, matchAnew)
    this.#tell('snapshot')
  }

  #tell(event: CacheEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  #refresh(group: Group, matchAnew: boolean): void {
    if (matchAnew) group.entries = this.#match(group.selectors)
    group.update = updateFor(this.#snapshot, this.#trustDomain, group.entries)
    const { svids } = this.#snapshot
    group.complete = group.entries.every((entry) => svids.has(entry.id))
    if (group.complete) group.overdue = false
    boundWait(group, this.#clock, firstWaitMs)
    deliver(group)
  }

  #chooseWanted(): readonly Entry[] {
    const waiting: string[] = []
    const subscribed: string[] = []
    for (const group of this.#groups.values()) {
      if (group.svidReaders === 0) continue
      for (const { id } of group.entries) (group.complete ? subscribed : waiting).push(id)
    }
    return chooseWanted({
      snapshot: this.#snapshot,
      waiting,
      subscribed,
      lastUsedMs: this.#lastUsedMs,
      max: this.#max,
    })
  }
}

function replaced(): CountersignError {
  return new CountersignError('conflict', 'what the change goes on from is gone', {
    reason: 'cache-replaced',
  })
}

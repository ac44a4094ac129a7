import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import type { Update } from '../../src/rpc/gen/countersign/sync/v1/Update.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Change, GoodFrom } from '../cache/snapshot.ts'
import { broken, maxItems, receivedBundle, receivedEntry, receivedGoodFrom } from './received.ts'

export interface GroupDeps {
  readonly trustDomain: TrustDomain
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly log: Log
  readonly random?: () => number
}

/** What was revoked is refused up to the end of its second; and not all agents come in the next. */
const renewAfterMs = 1000
const renewWithinMs = 1000

/** Gathers the messages of one group: it is applied whole, or not at all. */
export class Group {
  readonly #deps: GroupDeps
  #first: Update | undefined
  #renewAfterMs: number | undefined
  #entries: Entry[] = []
  #removedEntryIds: string[] = []
  #bundles: Bundle[] = []
  #removedTrustDomains: TrustDomain[] = []
  readonly #goodFrom = new Map<string, GoodFrom>()

  constructor(deps: GroupDeps) {
    this.#deps = deps
  }

  /** The change, once the message is the last of its group. Throws `invalid` / `sync-…`. */
  add(update: Update): Change | undefined {
    const { trustDomain, clock, random = Math.random } = this.#deps
    this.#renewAfterMs ??= renewAfterMs + renewWithinMs * random()
    const renewAtMs = clock.monotonicMs() + this.#renewAfterMs
    this.#first ??= update
    if (update.log_id !== this.#first.log_id || update.snapshot !== this.#first.snapshot) {
      throw broken('sync-group', 'the messages of one group do not belong together')
    }
    for (const entry of update.entries) {
      // What the entry said before does not hold any more, so that it is none until it can be read.
      const read = this.#take(() => this.#entries.push(receivedEntry(trustDomain, entry)))
      if (!read) this.#removedEntryIds.push(entry.id)
    }
    for (const id of update.removed_entry_ids) this.#removedEntryIds.push(id)
    for (const bundle of update.bundles) {
      this.#take(() => this.#bundles.push(receivedBundle(trustDomain, bundle)))
    }
    for (const name of update.removed_trust_domains) {
      this.#take(() => this.#removedTrustDomains.push(TrustDomain.parse(name)))
    }
    for (const one of update.good_from) {
      this.#take(() => this.#goodFrom.set(one.entry_id, receivedGoodFrom(one, renewAtMs)))
    }
    if (this.#size > maxItems) throw broken('sync-too-much', 'the server sends too much at once')
    return update.more ? undefined : this.#finish(update)
  }

  get #size(): number {
    return (
      this.#entries.length +
      this.#removedEntryIds.length +
      this.#bundles.length +
      this.#removedTrustDomains.length +
      this.#goodFrom.size
    )
  }

  /** One item that cannot be read takes nothing from the others. */
  #take(read: () => unknown): boolean {
    try {
      read()
      return true
    } catch (error) {
      this.#deps.log.warn('the server sent something that cannot be used; it is left out', {
        error,
      })
      return false
    }
  }

  #finish(last: Update): Change {
    const position = Number(last.position)
    if (!Number.isSafeInteger(position) || position < 0 || last.log_id === '') {
      throw broken('sync-position', 'the server does not say where its log stands')
    }
    return {
      logId: last.log_id,
      position,
      snapshot: last.snapshot,
      entries: this.#entries,
      removedEntryIds: this.#removedEntryIds,
      bundles: this.#bundles,
      removedTrustDomains: this.#removedTrustDomains,
      goodFrom: this.#goodFrom,
    }
  }
}

import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { createOutage, type Outage } from '../../src/runtime/outage.ts'
import { within } from '../../src/runtime/within.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { pruneChanges } from '../store/changes.ts'
import type { AgentRecord } from '../store/records.ts'
import type { StoredFact } from '../store/revocation-facts.ts'
import type { EntryReading, Store } from '../store/store.ts'
import { ChangeReader } from './reader.ts'
import { Waiters } from './waiters.ts'

/**
 * What happened after number `from` up to `to`: the rows as they are now, each once however often it
 * changed; undefined where it was deleted. A row may be newer than `to`, and then comes again.
 */
export interface ChangeBatch {
  readonly from: number
  readonly to: number
  readonly entries: ReadonlyMap<string, Entry | undefined>
  readonly agents: ReadonlyMap<SpiffeId, AgentRecord | undefined>
  readonly bundles: ReadonlyMap<TrustDomain, Bundle | undefined>
  readonly authoritiesChanged: boolean
  readonly policiesChanged: boolean
  /** In order, each once. */
  readonly facts: readonly StoredFact[]
}

export interface Changes {
  readonly logId: string
  /** The last number that `onBatch` has been given. */
  readonly position: number
  /** Listeners are called in order, after `onBatch`, and must not throw; the first batch is not repeated for them. */
  subscribe(listener: (batch: ChangeBatch) => void): () => void
  /**
   * Calls back each time that the log was read to its end, at least each 200 ms while it can be read: nothing that was
   * committed before `sinceMs`, by the monotonic clock, is missing from what listeners have had. Must not throw.
   */
  onLook(listener: (sinceMs: number) => void): () => void
  /**
   * Resolves once every listener has had this number. Rejects with the signal's reason, or with
   * `unavailable` / `changes-stopped` when the log is no longer followed.
   */
  reached(position: number, signal?: AbortSignal): Promise<void>
  /**
   * Resolves where nothing that was committed more than a second ago is missing here: at once, or with the next reading of
   * the log. Rejects with `unavailable` `changes-unread`: what others have revoked is not known then.
   */
  upToDate(): Promise<void>
  /** Follows the log until the signal aborts. */
  run(signal: AbortSignal): Promise<void>
}

export interface ChangesDeps {
  readonly clock: Clock
  readonly log: Log
  /** Gets every batch first; where it throws, `run` ends with its error. */
  readonly onBatch: (batch: ChangeBatch) => void
  /** How many lines of the log stay readable. Default 100,000. */
  readonly keep?: number
  /** The first reading, where it was begun already. */
  readonly reading?: EntryReading
}

/** How long a change of another server may go unnoticed. */
const pollMs = 200
/** How old what is known here may be. */
const recentMs = 1000
const pruneLimit = 10_000

/** Before it resolves, `onBatch` gets everything there is, in batches from 0. */
export async function openChanges(store: Store, deps: ChangesDeps): Promise<Changes> {
  const reader = new ChangeReader(store.db)
  const reading = deps.reading ?? (await store.readEntries())
  for await (const batch of reader.readAll(reading)) deps.onBatch(batch)
  return new Follower(store, deps, reader, reading.position)
}

class Follower implements Changes {
  readonly logId: string
  readonly #store: Store
  readonly #deps: ChangesDeps
  readonly #reader: ChangeReader
  readonly #listeners = new Set<(batch: ChangeBatch) => void>()
  readonly #lookers = new Set<(sinceMs: number) => void>()
  readonly #waiters = new Waiters()
  #position: number
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #hinted = false
  #wake: (() => void) | undefined
  #pruned = 0
  #pruning = false
  readonly #outage: Outage

  constructor(store: Store, deps: ChangesDeps, reader: ChangeReader, position: number) {
    this.logId = store.logId
    this.#store = store
    this.#deps = deps
    this.#outage = createOutage({
      ...{ lost: 'the change log cannot be read', back: 'the change log can be read again' },
      ...{ level: 'error', clock: deps.clock, log: deps.log },
    })
    this.#reader = reader
    this.#position = position
  }

  get position(): number {
    return this.#position
  }

  subscribe(listener: (batch: ChangeBatch) => void): () => void {
    const own = (batch: ChangeBatch): void => listener(batch)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  onLook(listener: (sinceMs: number) => void): () => void {
    const own = (sinceMs: number): void => listener(sinceMs)
    this.#lookers.add(own)
    return () => this.#lookers.delete(own)
  }

  async reached(position: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (position > this.#position) await this.#waiters.wait(position, signal)
  }

  async upToDate(): Promise<void> {
    const { clock } = this.#deps
    const isRecent = (): boolean => clock.monotonicMs() - this.#lookedAtMs < recentMs
    if (isRecent()) return
    const looked = Promise.withResolvers<void>()
    const stop = this.onLook(() => void (isRecent() && looked.resolve()))
    try {
      await within(clock, recentMs, looked.promise, unread)
    } finally {
      stop()
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    const stopListening = this.#store.onCommit((_position, written) => {
      this.#reader.hand(written)
      this.#hint()
    })
    try {
      while (!signal.aborted) {
        this.#hinted = false
        await this.#catchUp(signal)
        await this.#hintOrPoll(signal)
      }
    } finally {
      stopListening()
      this.#waiters.stop(
        new CountersignError('unavailable', 'the server is stopping', {
          reason: 'changes-stopped',
        }),
      )
    }
  }

  #hint(): void {
    this.#hinted = true
    this.#wake?.()
  }

  async #hintOrPoll(signal: AbortSignal): Promise<void> {
    if (this.#hinted || signal.aborted) return
    const woken = new AbortController()
    const wake = (): void => woken.abort()
    this.#wake = wake
    signal.addEventListener('abort', wake, { once: true })
    try {
      await this.#deps.clock.sleep(pollMs, woken.signal)
    } catch (error) {
      if (!woken.signal.aborted) throw error
    } finally {
      this.#wake = undefined
      signal.removeEventListener('abort', wake)
    }
  }

  async #catchUp(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const sinceMs = this.#deps.clock.monotonicMs()
      const batch = await this.#read()
      if (batch === undefined) {
        if (!this.#outage.isOn) this.#looked(sinceMs)
        return
      }
      this.#apply(batch)
      this.#prune()
    }
  }

  #looked(sinceMs: number): void {
    this.#lookedAtMs = sinceMs
    for (const look of this.#lookers) look(sinceMs)
  }

  /** A store that cannot be read now is asked again at the next poll: what it has lost nobody is told meanwhile. */
  async #read(): Promise<ChangeBatch | undefined> {
    try {
      const batch = await this.#reader.readAfter(this.#position)
      this.#outage.over()
      return batch
    } catch (error) {
      this.#outage.failed(error)
      return undefined
    }
  }

  #apply(batch: ChangeBatch): void {
    this.#deps.onBatch(batch)
    this.#position = batch.to
    for (const listener of this.#listeners) {
      try {
        listener(batch)
      } catch (error) {
        this.#deps.log.error('a listener for changes failed', { error })
      }
    }
    this.#waiters.reached(batch.to)
  }

  /** Beside the reading: it waits for the writers' transaction, and nobody waits for it. */
  #prune(): void {
    const upTo = this.#position - (this.#deps.keep ?? 100_000)
    if (this.#pruning || upTo < this.#pruned + pruneLimit / 10) return
    this.#pruning = true
    this.#store
      .write((tx) => pruneChanges(tx.db, upTo, pruneLimit))
      .then(
        (gone) => {
          if (gone < pruneLimit) this.#pruned = upTo
        },
        (error) => this.#deps.log.warn('the change log could not be pruned', { error }),
      )
      .finally(() => {
        this.#pruning = false
      })
  }
}

function unread(): CountersignError {
  return new CountersignError('unavailable', 'the store cannot be read at the moment', {
    reason: 'changes-unread',
    retryAfterMs: 1000,
  })
}

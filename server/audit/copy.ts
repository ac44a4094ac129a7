import { type ChainHead, chainStart } from '../../src/audit/chain.ts'
import { createBackoff } from '../../src/runtime/backoff.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { createOutage, type Outage } from '../../src/runtime/outage.ts'
import { appendAuditRecords, lastAuditRecord } from '../store/audit-records.ts'
import type { Store } from '../store/store.ts'
import type { Trail } from './trail.ts'
import { type TrailLine, TrailReader } from './trail-reader.ts'

export interface AuditCopyDeps {
  /** The trail's file. */
  readonly path: string
  readonly trail: Pick<Trail, 'head'>
  /** Name of the chain in the store. */
  readonly chain: string
  readonly store: Pick<Store, 'db' | 'write'>
  /** So many of the newest records stay in the store; at least 1. */
  readonly keep: number
  readonly clock: Clock
  readonly log: Log
}

/**
 * One transaction takes some milliseconds for these, and others wait for it. Each holds this thread up for a
 * sync of the disk, so that few large ones are better than many small ones.
 */
const batchLines = 1024
/** After a whole batch, so many times what it took, since who is issued something comes first; and no longer than this. */
const pausesToCopying = 24
const longestPauseMs = 500
const idlePauseMs = 200

/**
 * Copies the trail to the store, behind the back of whoever is issued something: it reads what is on
 * disk already, in batches with a pause between, and goes on from what the store has.
 */
export class AuditCopy {
  readonly #deps: AuditCopyDeps
  readonly #backoff = createBackoff({ baseMs: 500, capMs: 30_000 })
  /** The last record in the store, as far as known. */
  #copied: ChainHead | undefined
  readonly #outage: Outage

  constructor(deps: AuditCopyDeps) {
    this.#deps = deps
    this.#outage = createOutage({
      lost: 'the audit trail is not copied to the store',
      back: 'the audit trail is copied to the store again',
      ...{ clock: deps.clock, log: deps.log },
    })
  }

  /** Records that are on disk and not in the store yet. */
  get lag(): number {
    return this.#deps.trail.head().number - (this.#copied?.number ?? 0)
  }

  /** Copies until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, path } = this.#deps
    const reader = new TrailReader(path)
    try {
      while (!signal.aborted) {
        const startedMs = clock.monotonicMs()
        let pauseMs = idlePauseMs
        try {
          if ((await this.#copyBatch(reader)) === batchLines) {
            pauseMs = Math.min(pausesToCopying * (clock.monotonicMs() - startedMs), longestPauseMs)
          }
          this.#outage.over()
          this.#backoff.reset()
        } catch (error) {
          this.#outage.failed(error)
          // What became of the last batch is the store's to say.
          this.#copied = undefined
          pauseMs = this.#backoff.next()
        }
        await clock.sleep(pauseMs, signal)
      }
    } finally {
      await reader[Symbol.asyncDispose]()
    }
  }

  async #copyBatch(reader: TrailReader): Promise<number> {
    const { trail, chain, store, keep } = this.#deps
    this.#copied ??= (await lastAuditRecord(store.db, chain)) ?? chainStart
    const from = this.#copied
    const upTo = trail.head().number
    // What would be pruned at once is not copied.
    const after = Math.max(from.number, upTo - keep)
    const lines = await reader.read(after, upTo, batchLines)
    const last = lines.at(-1)
    if (last === undefined) return 0
    this.#checkPlace(from, after, lines)
    const records = lines.map(({ head, text }) => ({ ...head, line: text }))
    await store.write((tx) => appendAuditRecords(tx, chain, records, keep))
    this.#copied = last.head
    return lines.length
  }

  /** The copy has the lines as they were written: the file was changed where they do not fit any more. */
  #checkPlace(from: ChainHead, after: number, lines: readonly TrailLine[]): void {
    let before = from.number === 0 || after !== from.number ? undefined : from
    for (const { head, previous } of lines) {
      const fits = before?.number === head.number - 1 && before.hash === previous
      if (before !== undefined && !fits) {
        this.#deps.log.error('the audit trail does not go on where its copy in the store ends', {
          copied: before.number,
          next: head.number,
        })
        return
      }
      before = head
    }
  }
}

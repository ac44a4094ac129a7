import { type ChainHead, nextLine } from '../../src/audit/chain.ts'
import type { AuditEvent } from '../../src/audit/event.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { RecordRange } from './trail.ts'
import { maxGroupBytes } from './trail-file.ts'

const maxLineBytes = 512 << 10
const maxWaitingEvents = 65_536

interface Waiting {
  readonly events: readonly AuditEvent[]
  readonly resolve: (range: RecordRange) => void
  readonly reject: (error: unknown) => void
}

/** What is written and synced at once. */
export interface Group {
  readonly waiting: readonly (Waiting & { readonly range: RecordRange })[]
  /** ASCII, one line an event, each with its newline. */
  readonly lines: string
  readonly head: ChainHead
  readonly events: number
}

/** Who waits for the next writes, in order. */
export class AppendQueue {
  #waiting: Waiting[] = []
  #events = 0
  /** Whom `gather` waits for. */
  #awaited: { readonly length: number; readonly come: () => void } | undefined

  /** How many appends wait. */
  get length(): number {
    return this.#waiting.length
  }

  /** Resolves once so many appends wait, or after `ms`. */
  async gather(length: number, ms: number, clock: Pick<Clock, 'sleep'>): Promise<void> {
    if (this.length >= length || ms <= 0) return
    const come = Promise.withResolvers<void>()
    this.#awaited = { length, come: come.resolve }
    await Promise.race([come.promise, clock.sleep(ms)])
    this.#awaited = undefined
  }

  /** Resolves and rejects as the group that it becomes part of. Throws `exhausted` `audit-queue-full`. */
  add(events: readonly AuditEvent[]): Promise<RecordRange> {
    if (this.#events + events.length > maxWaitingEvents) {
      return Promise.reject(
        new CountersignError('exhausted', 'too many events wait for the audit trail', {
          reason: 'audit-queue-full',
          retryAfterMs: 1000,
        }),
      )
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ events, resolve, reject })
      this.#events += events.length
      if (this.length === this.#awaited?.length) this.#awaited.come()
    })
  }

  takeAll(): readonly Pick<Waiting, 'reject'>[] {
    const all = this.#waiting
    this.#waiting = []
    this.#events = 0
    return all
  }

  /** The first ones, as lines after `from`. What is too large by itself is rejected with `audit-event-large`. */
  takeGroup(from: ChainHead): Group {
    const waiting: (Waiting & { readonly range: RecordRange })[] = []
    let lines = ''
    let head = from
    let taken = 0
    for (const item of this.#waiting) {
      if (lines.length >= maxGroupBytes / 2) break
      taken += 1
      this.#events -= item.events.length
      const own = linesFor(item.events, head)
      if (own instanceof CountersignError) {
        item.reject(own)
        continue
      }
      waiting.push({ ...item, range: { first: head.number + 1, last: own.head.number } })
      lines += own.text
      head = own.head
    }
    this.#waiting = this.#waiting.slice(taken)
    return { waiting, lines, head, events: head.number - from.number }
  }
}

function linesFor(
  events: readonly AuditEvent[],
  from: ChainHead,
): { text: string; head: ChainHead } | CountersignError {
  let text = ''
  let head = from
  for (const event of events) {
    const next = nextLine(head, event)
    if (next.line.length > maxLineBytes) {
      return new CountersignError('invalid', 'too much to put on record in one event', {
        reason: 'audit-event-large',
      })
    }
    text += `${next.line}\n`
    head = next.head
  }
  return { text, head }
}

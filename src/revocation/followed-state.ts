import { CountersignError } from '../errors.ts'
import { emptyHead, type Head, headAfter } from './fact.ts'
import type { FeedMessage } from './feed-message.ts'
import { RevocationState } from './state.ts'

/** One connection to the feed. */
export interface FeedSession {
  /** What was drawn for it. */
  readonly nonce: string
  /** When the request went out at the earliest, by the reader's monotonic clock. */
  sentAtMs: number
}

/** By how much two clocks may go apart in one session. More is one that stood still, as in a machine that slept. */
const maxDriftMs = 250

interface Open extends FeedSession {
  readonly run: string
  /** The server's clock when it said hello: later than `sentAtMs`. */
  readonly helloAt: number
  clock: number
  snapshot?: { readonly head: Head; readonly pages: number; next: number }
}

/**
 * What a reader of the feed knows, and as of when. It takes verified messages alone, and whatever does not continue
 * what it knows ends the session; facts are never forgotten before their end.
 */
export class FollowedState {
  readonly facts: RevocationState = new RevocationState()
  #head = emptyHead
  #log: string | undefined
  #session: FeedSession | undefined
  #open: Open | undefined
  /** The instant as of which all is known, by the reader's monotonic clock. */
  #asOfMs = Number.NEGATIVE_INFINITY
  #needsSnapshot = true

  /** For `Last-Event-ID`; undefined where a snapshot is needed. */
  get lastEventId(): string | undefined {
    return this.#needsSnapshot ? undefined : `${this.#log}.${this.#head.number}`
  }

  /** How old what is known may be, by the monotonic clock and the wall clock. */
  ageMs(nowMs: number, now: Date): number {
    return this.facts.lacks(now) ? Number.POSITIVE_INFINITY : nowMs - this.#asOfMs
  }

  /** Forgets what has ended. Throws `unauthenticated` `feed-clock`, as `take`, where what is forgotten has not ended after all. */
  drop(now: Date): void {
    if (!this.facts.drop(now)) {
      this.#distrust(
        'feed-clock',
        'the wall clock was set back here: what it had ended may not have',
      )
    }
  }

  begin(session: FeedSession): void {
    this.#session = session
    this.#open = undefined
  }

  /**
   * Takes a message on that came at this time of the reader's monotonic clock. Throws `unauthenticated`: `feed-nonce`,
   * `feed-run`, `feed-reordered`, `feed-clock`, `feed-gap`, `feed-forked`, `feed-went-back`, `feed-malformed`. After the
   * last five nothing is known for sure until there is another session.
   */
  take(message: FeedMessage, nowMs: number): void {
    const open = this.#admit(message)
    if (message.log === this.#log && message.head.number < this.#head.number) {
      this.#distrust('feed-went-back', 'the feed knows less than before')
    }
    if (message.prev === undefined) this.#takePage(message, open)
    else this.#takeFacts(message, message.prev)
    open.clock = message.clock
    // Between pages nothing is known of what was left out.
    if (open.snapshot === undefined) {
      const asOfMs = open.sentAtMs + (message.clock - open.helloAt)
      if (asOfMs > nowMs + maxDriftMs) {
        this.#asOfMs = Number.NEGATIVE_INFINITY
        refuse('feed-clock', 'the clock stood still here: how old it is cannot be told')
      }
      this.#asOfMs = Math.max(this.#asOfMs, Math.min(asOfMs, nowMs))
    }
  }

  /** The first message answers what was drawn for the session: none of them was said before it. */
  #admit({ hello, run, clock }: FeedMessage): Open {
    if (this.#open !== undefined) {
      if (run !== this.#open.run) refuse('feed-run', 'another server speaks in the same stream')
      if (clock < this.#open.clock) refuse('feed-reordered', 'the feed repeats itself')
      return this.#open
    }
    if (this.#session === undefined || hello?.nonce !== this.#session.nonce) {
      return refuse('feed-nonce', 'the feed answers somebody else')
    }
    this.#open = { ...this.#session, run, clock, helloAt: hello.now }
    return this.#open
  }

  #takePage({ page, head, facts, log }: FeedMessage, open: Open): void {
    const { number = 0, of = 0 } = page ?? {}
    const expected = open.snapshot ?? { head, pages: of, next: 1 }
    const same = expected.head.number === head.number && expected.head.hash === head.hash
    if (number !== expected.next || of !== expected.pages || !same) {
      refuse('feed-reordered', 'a page of the snapshot is missing')
    }
    for (const fact of facts) this.facts.apply(fact)
    if (number < of) {
      open.snapshot = { ...expected, next: number + 1 }
      return
    }
    delete open.snapshot
    this.#head = head
    this.#log = log
    this.#needsSnapshot = false
  }

  /** Facts that are known already may come again, as servers cut the chain in different places. */
  #takeFacts({ log, head, facts }: FeedMessage, prev: Head): void {
    if (this.#open?.snapshot !== undefined) refuse('feed-reordered', 'a page is missing')
    const known = this.#head
    if (log !== this.#log || prev.number > known.number) {
      this.#distrust('feed-gap', 'something of the feed is missing')
    }
    let at = prev
    let met = at.number === known.number && at.hash === known.hash
    for (const fact of facts) {
      if (fact.number <= at.number) this.#distrust('feed-forked', 'the feed counts backwards')
      at = headAfter(at, fact)
      met ||= at.number === known.number && at.hash === known.hash
    }
    if (!met || at.number !== head.number || at.hash !== head.hash) {
      this.#distrust('feed-forked', 'the feed tells another story than before')
    }
    for (const fact of facts) this.facts.apply(fact)
    this.#head = head
  }

  #distrust(reason: string, message: string): never {
    this.#asOfMs = Number.NEGATIVE_INFINITY
    // The number of what was known is kept, so that nobody can make it forgotten; but what is missing has to come whole.
    if (reason !== 'feed-went-back') this.#needsSnapshot = true
    return refuse(reason, message)
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}

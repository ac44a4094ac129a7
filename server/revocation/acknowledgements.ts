import { CountersignError } from '../../src/errors.ts'
import type { NumberedFact } from '../../src/revocation/fact.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'

/** One connection to the feed. */
export interface FeedStream {
  readonly spiffeId: SpiffeId
  /** What its reader has drawn for it. */
  readonly nonce: string
}

/** How far its reader says to be. */
export interface StreamStanding extends FeedStream {
  /** How many facts it was told and has not acknowledged. */
  readonly unacknowledged: number
  /** For how long it has owed an acknowledgement beyond its time, in milliseconds; 0: it owes none. */
  readonly owesMs: number
}

/** What readers of the feed acknowledge. They may say what they like: nothing is allowed because of it. */
export interface Acknowledgements {
  /** Facts that are being told. */
  note(facts: readonly Pick<NumberedFact, 'number'>[]): void
  join(stream: FeedStream, withinMs: number): { opened(): void; leave(): void }
  /**
   * Takes the word of the reader of this connection, whose ID was proved, that it has applied all up to `head`; the time
   * from the first of the facts that it thus acknowledges until it had applied it, which was `delayMs` ago, in milliseconds;
   * undefined where there is none. Throws
   * `invalid`: `feed-stream-unknown`, `request-head`.
   */
  take(stream: FeedStream, head: string, delayMs: number): number | undefined
  standings(): readonly StreamStanding[]
}

interface Stream extends FeedStream {
  acknowledged: number
  /** Whether it has acknowledged anything on this connection. */
  heard: boolean
  /** Since when all that was there before is sent. */
  openedMs: number
  readonly withinMs: number
}

interface Told {
  readonly number: number
  readonly atMs: number
}

/**
 * Each acknowledgement costs a handshake: a fact that a thousand readers hear of at once must not keep the server from
 * telling the next one.
 */
export function acknowledgeWithinMs(readers: number): number {
  return Math.max(250, readers * 10)
}

/** Of more than these the oldest are not counted any more. */
const maxTold = 10_000
const headForm = /^([0-9a-f]{32})\.([0-9]{1,15})$/

/** `head`: the number of the last fact that there is. */
export function createAcknowledgements(deps: {
  readonly logId: string
  readonly head: () => number
  readonly clock: Pick<Clock, 'monotonicMs'>
}): Acknowledgements {
  const { logId, head: last, clock } = deps
  const streams = new Map<string, Stream>()
  let told: readonly Told[] = []
  const keyOf = ({ spiffeId, nonce }: FeedStream): string => `${spiffeId} ${nonce}`
  const owedAfter = (number: number): number => firstAfter(told, number)

  const standingOf = (stream: Stream, nowMs: number): StreamStanding => {
    const { spiffeId, nonce, acknowledged, heard, openedMs, withinMs } = stream
    const from = owedAfter(acknowledged)
    const sinceMs = heard ? (told[from]?.atMs ?? nowMs) : openedMs
    return {
      ...{ spiffeId, nonce },
      unacknowledged: told.length - from,
      owesMs: Math.max(0, nowMs - Math.max(sinceMs, openedMs) - withinMs),
    }
  }
  return {
    note(facts) {
      const atMs = clock.monotonicMs()
      const least = Math.min(...Array.from(streams.values(), ({ acknowledged }) => acknowledged))
      const owed = told.slice(owedAfter(least))
      told = [...owed, ...facts.map(({ number }) => ({ number, atMs }))].slice(-maxTold)
    },
    join(stream, withinMs) {
      const one: Stream = {
        ...{ ...stream, acknowledged: last(), heard: false, withinMs },
        openedMs: Number.POSITIVE_INFINITY,
      }
      streams.set(keyOf(stream), one)
      return {
        opened() {
          one.openedMs = clock.monotonicMs()
        },
        leave() {
          if (streams.get(keyOf(stream)) === one) streams.delete(keyOf(stream))
        },
      }
    },
    take(stream, head, delayMs) {
      const known = streams.get(keyOf(stream))
      if (known === undefined) {
        throw new CountersignError('invalid', 'the feed is not read here by this connection', {
          reason: 'feed-stream-unknown',
        })
      }
      const [, log, number] = headForm.exec(head) ?? []
      if (log !== logId || Number(number) > last()) {
        throw new CountersignError('invalid', 'head is none that was told', {
          reason: 'request-head',
        })
      }
      const before = known.acknowledged
      known.heard = true
      known.acknowledged = Math.max(before, Number(number))
      const first = told[owedAfter(before)]
      if (first === undefined || first.number > known.acknowledged) return undefined
      return Math.max(0, clock.monotonicMs() - first.atMs - delayMs)
    },
    standings() {
      const nowMs = clock.monotonicMs()
      return Array.from(streams.values(), (stream) => standingOf(stream, nowMs))
    },
  }
}

/** The place of the first that has a higher number. */
function firstAfter(told: readonly Told[], number: number): number {
  let [low, high] = [0, told.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((told[middle]?.number ?? 0) > number) high = middle
    else low = middle + 1
  }
  return low
}

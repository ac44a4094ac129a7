import { randomUUID } from 'node:crypto'
import { claimsOfMessage, type FeedMessage } from '../../src/revocation/feed-message.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { createOutage } from '../../src/runtime/outage.ts'
import { aborted } from '../../src/runtime/tasks.ts'
import type { ChangeBatch, Changes } from '../changes/changes.ts'
import { chainedParts, snapshotParts } from './pages.ts'
import type { Revocations } from './revocations.ts'

/** A message as it goes out. */
export interface FeedEvent {
  /** What a reader that has it says as `Last-Event-ID`: `LOG.NUMBER`. */
  readonly id: string
  /** A compact JWS. */
  readonly data: string
}

export interface FeedReader {
  /** What the reader has drawn for this connection. */
  readonly nonce: string
  /** What it had when it was last connected. */
  readonly lastEventId: string | undefined
  /** In how long it is to acknowledge what it applies. */
  readonly withinMs: number
  /** Gets each message that comes after the opening. Must not throw. */
  readonly onEvent: (event: FeedEvent) => void
}

export interface Subscription {
  /** What brings the reader to where the feed stood when it came. */
  readonly opening: AsyncIterable<FeedEvent>
  end(): void
}

/** Tells readers what was revoked: each message is signed once, for all of them. */
export interface FeedPublisher {
  readonly readers: number
  subscribe(reader: FeedReader): Subscription
  /** Tells of facts as they are committed, and that there are none, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>
}

export interface PublisherDeps {
  readonly issuer: string
  readonly changes: Pick<Changes, 'logId' | 'subscribe' | 'onLook'>
  readonly revocations: Pick<Revocations, 'head' | 'after' | 'all'>
  readonly ca: { signFeed(claims: Record<string, unknown>): Promise<string> }
  readonly clock: Clock
  readonly log: Log
}

/** The log is read at least each 200 ms; no more often than this all are told that it holds nothing new. */
const heartbeatMs = 100

export function createPublisher(deps: PublisherDeps): FeedPublisher {
  const { issuer, changes, revocations, ca, clock, log } = deps
  const said = { iss: issuer, log: changes.logId, run: randomUUID() }
  const readers = new Set<FeedReader>()
  let told = revocations.head
  let lookedAtMs = clock.monotonicMs()
  let beatAtMs = Number.NEGATIVE_INFINITY
  let saying: Promise<void> = Promise.resolve()
  const outage = createOutage({
    lost: 'what was revoked cannot be told to verifiers',
    back: 'what was revoked is told to verifiers again',
    ...{ level: 'error', clock, log },
  })
  let snapshot: ReturnType<typeof snapshotParts> | undefined

  const eventOf = async (message: FeedMessage): Promise<FeedEvent> => ({
    id: `${message.log}.${message.head.number}`,
    data: await ca.signFeed(claimsOfMessage(message)),
  })
  const sayNow = async (message: FeedMessage, to: readonly FeedReader[]): Promise<void> => {
    try {
      const event = await eventOf(message)
      for (const reader of to) if (readers.has(reader)) reader.onEvent(event)
      outage.over()
    } catch (error) {
      outage.failed(error)
    }
  }
  /** One after the other; whoever comes meanwhile has in its opening what is on the way to the others. */
  const say = (part: ReturnType<typeof chainedParts>[number]): void => {
    const to = [...readers]
    const message = { ...said, clock: lookedAtMs, ...part }
    if (to.length > 0) saying = saying.then(() => sayNow(message, to))
  }
  const tell = ({ facts }: Pick<ChangeBatch, 'facts'>): void => {
    if (facts.length === 0) return
    snapshot = undefined
    for (const part of chainedParts({ prev: told, facts })) say(part)
    told = revocations.head
  }
  const beat = (sinceMs: number): void => {
    lookedAtMs = sinceMs
    if (sinceMs - beatAtMs < heartbeatMs) return
    beatAtMs = sinceMs
    say({ prev: told, facts: [], head: told })
  }
  const partsFor = (lastEventId: string | undefined): ReturnType<typeof chainedParts> => {
    const number = numberOf(lastEventId, changes.logId)
    const missed = number === undefined ? undefined : revocations.after(number)
    if (missed !== undefined) return chainedParts(missed)
    snapshot ??= snapshotParts(told, revocations.all())
    return snapshot
  }
  return {
    get readers() {
      return readers.size
    },
    subscribe(reader) {
      const message = { ...said, clock: lookedAtMs }
      const parts = partsFor(reader.lastEventId)
      readers.add(reader)
      async function* opening(): AsyncGenerator<FeedEvent> {
        for (const part of parts) {
          const { nonce, withinMs: within } = reader
          const hello = { nonce, now: clock.monotonicMs(), within }
          yield await eventOf({ ...message, ...part, hello })
        }
      }
      return { opening: opening(), end: () => void readers.delete(reader) }
    },
    async run(signal) {
      told = revocations.head
      const [stopTelling, stopBeating] = [changes.subscribe(tell), changes.onLook(beat)]
      await aborted(signal)
      stopTelling()
      stopBeating()
      await saying
    },
  }
}

/** undefined: it is no number of this log. */
function numberOf(lastEventId: string | undefined, logId: string): number | undefined {
  const [log, number = ''] = lastEventId?.split('.') ?? []
  return log === logId && /^[0-9]{1,15}$/.test(number) ? Number(number) : undefined
}

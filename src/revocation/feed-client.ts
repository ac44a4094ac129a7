import { randomBytes } from 'node:crypto'
import { asCountersignError, CountersignError } from '../errors.ts'
import type { TokenClaims } from '../jwt/compact.ts'
import { createBackoff } from '../runtime/backoff.ts'
import type { Clock } from '../runtime/clock.ts'
import { toldInSpite } from '../runtime/told-in-spite.ts'
import { within } from '../runtime/within.ts'
import { createAcknowledger, type SendAcknowledgement } from './acknowledger.ts'
import { eventsOf } from './event-stream.ts'
import type { Fact, FactKind } from './fact.ts'
import { type FeedKeyLookup, readFeedMessage } from './feed-message.ts'
import { FollowedState } from './followed-state.ts'

/** A request for the feed. */
export interface FeedRequest {
  /** To be sent as the parameter `nonce`. */
  readonly nonce: string
  /** To be sent as the header `Last-Event-ID`, where it is there. */
  readonly lastEventId: string | undefined
  /** May be called when the connection is there and the request leaves: it makes the age that is told more exact. */
  sent(): void
}

/** Opens a stream of server-sent events; it ends when the signal aborts. */
export type OpenFeed = (
  request: FeedRequest,
  signal: AbortSignal,
) => Promise<AsyncIterable<Uint8Array | string>>

export interface FeedOptions {
  /** The authorization server, exactly. */
  readonly issuer: string
  readonly open: OpenFeed
  /** Tells the issuer what was applied, for its metrics; nobody is told unless it is there. */
  readonly acknowledge?: SendAcknowledgement
  /** The feed's keys, which are none of those of access tokens. */
  readonly keyOf: FeedKeyLookup
  readonly clock: Clock
  /** Older knowledge is stale; 700 ms unless told. */
  readonly staleAfterMs?: number
  /** Told of each connection that failed or ended, for a log or a metric. */
  readonly onTrouble?: (error: CountersignError) => void
}

/** What was revoked, as the issuer tells it. */
export interface RevocationFeed {
  /** The fact that ends a token of these claims; undefined: none that is known. Ask `fresh` too, each time. */
  judge(claims: TokenClaims, keyId?: string): Fact | undefined
  /** The fact about just this, for what is no token. */
  find(kind: FactKind, id: string): Fact | undefined
  /** Whether what is known is complete as of less than `staleAfterMs` ago, by the monotonic clock. */
  fresh(): boolean
  /** How old what is known may be; infinite before there is anything, and while something is known to be missing. */
  ageMs(): number
  /** Calls back once new facts are known, until the result is called. */
  onFacts(listener: () => void): () => void
  /** How many facts there are. */
  readonly size: number
  /** Follows the feed until the signal aborts, whatever happens to the connection. Never rejects. */
  run(signal: AbortSignal): Promise<void>
}

export const defaultStaleAfterMs = 700
const longestPauseMs = 1000
/** A stream that says nothing for so long is given up. */
const silenceMs = 2000
/** So is one that has told nothing but what is stale for so long: the server's clock may have stood still since it began. */
const lateMs = 5000

export function createRevocationFeed(options: FeedOptions): RevocationFeed {
  const { clock, staleAfterMs = defaultStaleAfterMs } = options
  const onTrouble = (error: CountersignError): void => toldInSpite(() => options.onTrouble?.(error))
  const state = new FollowedState()
  const listeners = new Set<() => void>()
  const tellFacts = (): void => {
    for (const tell of listeners) toldInSpite(tell)
  }
  const ageMs = (): number => state.ageMs(clock.monotonicMs(), clock.now())
  return {
    judge: (claims, keyId) => state.facts.judge(claims, keyId),
    find: (kind, id) => state.facts.find(kind, id),
    fresh: () => ageMs() < staleAfterMs,
    ageMs,
    onFacts(listener) {
      // Not the listener itself: it may be given twice.
      const tell = (): void => listener()
      listeners.add(tell)
      return () => void listeners.delete(tell)
    },
    get size() {
      return state.facts.size
    },
    async run(signal) {
      const backoff = createBackoff({ baseMs: 50, capMs: longestPauseMs })
      while (!signal.aborted) {
        let sinceMs = Infinity
        const took = (): void => {
          sinceMs = Math.min(sinceMs, clock.monotonicMs())
          // One that tells a word at a time would tell each reader all that there is, some thirty times a second.
          if (clock.monotonicMs() - sinceMs >= longestPauseMs) backoff.reset()
        }
        try {
          await follow(state, options, signal, { took, tellFacts })
          onTrouble(ended())
        } catch (error) {
          if (signal.aborted) return
          onTrouble(asCountersignError(error))
        }
        await clock.sleep(backoff.next(), signal).catch(() => {})
      }
    },
  }
}

/** One connection, to its end. */
async function follow(
  state: FollowedState,
  { issuer, open, acknowledge, keyOf, clock, ...options }: FeedOptions,
  signal: AbortSignal,
  { took, tellFacts }: { readonly took: () => void; readonly tellFacts: () => void },
): Promise<void> {
  const { staleAfterMs = defaultStaleAfterMs } = options
  const isLate = (ageMs: number): boolean => ageMs >= staleAfterMs && Number.isFinite(ageMs)
  let lateSinceMs: number | undefined
  const stop = new AbortController()
  const session = {
    nonce: randomBytes(16).toString('base64url'),
    sentAtMs: clock.monotonicMs(),
  }
  state.begin(session)
  const request: FeedRequest = {
    nonce: session.nonce,
    lastEventId: state.lastEventId,
    sent() {
      session.sentAtMs = clock.monotonicMs()
    },
  }
  try {
    const until = AbortSignal.any([signal, stop.signal])
    const applied =
      acknowledge && createAcknowledger({ send: acknowledge, clock }, session.nonce, until)
    const chunks = await within(clock, silenceMs, open(request, until), silent)
    const events = eventsOf(chunks)[Symbol.asyncIterator]()
    for (;;) {
      const event = await within(clock, silenceMs, events.next(), silent)
      if (event.done) return
      const message = await readFeedMessage(event.value, { issuer, keyOf })
      const nowMs = clock.monotonicMs()
      state.take(message, nowMs)
      lateSinceMs = isLate(state.ageMs(nowMs, clock.now())) ? (lateSinceMs ?? nowMs) : undefined
      if (nowMs - (lateSinceMs ?? nowMs) > lateMs) throw late()
      state.drop(clock.now())
      took()
      if (state.lastEventId !== undefined) applied?.(state.lastEventId, message.hello?.within)
      if (message.facts.length > 0) tellFacts()
    }
  } finally {
    stop.abort()
  }
}

function silent(): CountersignError {
  return new CountersignError('unavailable', 'the feed has fallen silent', {
    reason: 'feed-silent',
  })
}

function late(): CountersignError {
  return new CountersignError('unavailable', 'the feed tells what is stale already', {
    reason: 'feed-late',
  })
}

function ended(): CountersignError {
  return new CountersignError('unavailable', 'the feed has ended', { reason: 'feed-ended' })
}

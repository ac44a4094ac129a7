import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { within } from '../../src/runtime/within.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { FeedEvent, FeedPublisher } from '../revocation/publisher.ts'

/** Who reads, and until when. */
export interface StreamReader {
  readonly nonce: string
  readonly lastEventId: string | undefined
  readonly withinMs: number
  readonly spiffeId: SpiffeId
  /** The end of its SVID. */
  readonly expiresAt: Date
  /** Throws, or rejects, where it may read no longer. */
  readonly stillGood: () => Promise<void> | undefined
  /** Called once all that it has missed was sent. */
  readonly opened: () => void
}

export interface FeedStreams {
  /** Throws `exhausted` `feed-readers`. */
  checkRoom(spiffeId: SpiffeId): void
  /** Writes events until the stream ends; never rejects. */
  serve(response: ServerResponse, reader: StreamReader): Promise<void>
}

const maxReaders = 5000
const maxReadersOfOne = 1000
/** Clocks drift: a reader begins anew after 5 to 10 minutes, where it stood. */
const streamMs = 300_000
/** How much may wait for a reader, and for how long; one that is slower is cut, and begins anew. */
const maxWaitingBytes = 1 << 20
const maxWaitingMs = 5000
const lookMs = 1000

export function createFeedStreams(deps: {
  readonly publisher: FeedPublisher
  readonly clock: Clock
  readonly log: Log
  readonly maxReaders?: number
  readonly maxReadersOfOne?: number
}): FeedStreams {
  const { publisher, clock, log } = deps
  const open = new Map<SpiffeId, number>()
  return {
    checkRoom(spiffeId) {
      const full = publisher.readers >= (deps.maxReaders ?? maxReaders)
      if (!full && (open.get(spiffeId) ?? 0) < (deps.maxReadersOfOne ?? maxReadersOfOne)) return
      throw new CountersignError('exhausted', 'the feed has as many readers as it takes', {
        reason: 'feed-readers',
        retryAfterMs: 5000,
      })
    },
    async serve(response, reader) {
      const { spiffeId } = reader
      open.set(spiffeId, (open.get(spiffeId) ?? 0) + 1)
      try {
        await serve(response, reader, publisher, clock)
      } catch (error) {
        log.debug('a reader of the feed was cut', { spiffeId, error })
      } finally {
        response.destroy()
        const left = (open.get(spiffeId) ?? 1) - 1
        if (left > 0) open.set(spiffeId, left)
        else open.delete(spiffeId)
      }
    },
  }
}

/** Until the reader leaves, is too slow, may read no longer, or begins anew. */
async function serve(
  response: ServerResponse,
  reader: StreamReader,
  publisher: FeedPublisher,
  clock: Clock,
): Promise<void> {
  // Who has left meanwhile is not waited for: his going was told already.
  if (response.destroyed) return
  const gone = new Promise<void>((resolve) => response.once('close', () => resolve()))
  // What is written to somebody who has just left is no error of ours.
  response.on('error', () => {})
  const endMs = clock.monotonicMs() + streamMs * (1 + Math.random())
  let waiting: FeedEvent[] | undefined = []
  let lookedMs = clock.monotonicMs()
  let behindMs: number | undefined
  const write = ({ id, data }: FeedEvent): boolean =>
    response.writableEnded || response.destroyed || response.write(`id: ${id}\ndata: ${data}\n\n`)

  const isSlow = (nowMs: number): boolean => {
    if (response.writableLength === 0) behindMs = undefined
    else behindMs ??= nowMs
    const waited = nowMs - (behindMs ?? nowMs)
    return waited > maxWaitingMs || response.writableLength > maxWaitingBytes
  }
  const isOver = (nowMs: number): boolean => {
    if (nowMs >= endMs) return true
    if (nowMs - lookedMs < lookMs) return false
    lookedMs = nowMs
    return clock.now() >= reader.expiresAt || !holds(reader.stillGood, () => response.end())
  }
  const { opening, end } = publisher.subscribe({
    ...reader,
    onEvent(event) {
      if (waiting !== undefined) {
        waiting.push(event)
        if (waiting.length > maxWaitingEvents) response.destroy()
        return
      }
      const nowMs = clock.monotonicMs()
      if (isSlow(nowMs)) response.destroy()
      else if (isOver(nowMs)) response.end()
      else write(event)
    },
  })
  try {
    response.writeHead(200, headers)
    for await (const event of opening) {
      if (response.destroyed) return
      const drained = write(event) ? undefined : Promise.race([once(response, 'drain'), gone])
      if (drained !== undefined) await within(clock, maxWaitingMs, drained, tooSlow)
    }
    for (const event of waiting) write(event)
    waiting = undefined
    reader.opened()
    await gone
  } finally {
    end()
  }
}

const maxWaitingEvents = 1000
const headers = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // A proxy that collects before it sends makes everybody deaf.
  'x-accel-buffering': 'no',
}

/** Whether it holds as far as can be said at once; `ended` is called where it turns out that it does not. */
function holds(check: StreamReader['stillGood'], ended: () => void): boolean {
  try {
    check()?.catch(ended)
    return true
  } catch {
    return false
  }
}

function tooSlow(): CountersignError {
  return new CountersignError('deadline', 'a reader of the feed is too slow', {
    reason: 'feed-slow',
  })
}

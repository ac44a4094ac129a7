import { z } from 'zod'
import { CountersignError } from '../../../src/errors.ts'
import { parseJsonObject } from '../../../src/jwt/strict-json.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import type { Log } from '../../../src/runtime/log.ts'
import { answerOf, type OauthAnswer } from '../answer.ts'
import type { Outbox } from './outbox.ts'
import type { EventStream } from './settings.ts'

/*
 * RFC 8936: events that their receiver fetches. All that is of it stands in this file.
 */

export const pollMethod = 'urn:ietf:rfc:8936'

/** Sent at once; whoever asks for more gets so many, and hears that there are more. */
const maxEvents = 50
/** An answer waits no longer for an event, and looks so often whether another server has made one. */
const maxWaitMs = 30_000
const lookMs = 5000
/** Requests of one stream that wait; the next are answered at once. */
const maxWaiting = 4

const jti = z.string().min(1).max(256)
const pollRequest = z.looseObject({
  maxEvents: z.int().min(0).optional(),
  returnImmediately: z.boolean().optional(),
  ack: z.array(jti).max(500).optional(),
  setErrs: z
    .record(jti, z.looseObject({ err: z.string(), description: z.string().optional() }))
    .optional(),
})

export interface PollDeps {
  readonly outbox: Pick<Outbox, 'read' | 'remove' | 'woken' | 'wait'>
  readonly clock: Clock
  readonly log: Log
}

/** `signal` aborts when whoever asks is gone. Throws `invalid` `request-malformed`. */
export type PollDoor = (
  stream: EventStream,
  body: string,
  signal: AbortSignal,
) => Promise<OauthAnswer>

export function createPollDoor({ outbox, clock, log }: PollDeps): PollDoor {
  const waiting = new Map<string, number>()
  const waitFor = async (stream: EventStream, limit: number, signal: AbortSignal) => {
    const untilMs = clock.monotonicMs() + maxWaitMs
    for (;;) {
      // Before the look, so that nothing slips between.
      const woken = outbox.woken()
      if (woken.aborted || signal.aborted) return nothing
      const found = await outbox.read(stream, limit)
      const leftMs = untilMs - clock.monotonicMs()
      if (found.events.length > 0 || leftMs <= 0) return found
      // Nobody hears of it where whoever asks is gone: that is no failure.
      await outbox.wait(Math.min(leftMs, lookMs), woken, signal).catch(() => {})
    }
  }
  return async (stream, body, signal) => {
    const { ack = [], setErrs = {}, returnImmediately = false, ...wish } = readPoll(body)
    await outbox.remove(stream, ack)
    const refused = Object.keys(setErrs)
    if (refused.length > 0) log.warn('a receiver cannot read events', { stream: stream.id })
    await outbox.remove(stream, refused, true)
    const limit = Math.min(wish.maxEvents ?? maxEvents, maxEvents)
    if (limit === 0) return answerOf({ sets: {} })
    const others = waiting.get(stream.id) ?? 0
    if (returnImmediately || others >= maxWaiting) return said(await outbox.read(stream, limit))
    waiting.set(stream.id, others + 1)
    try {
      return said(await waitFor(stream, limit, signal))
    } finally {
      waiting.set(stream.id, (waiting.get(stream.id) ?? 1) - 1)
    }
  }
}

const nothing = { events: [], more: false } as const

function said({ events, more }: Awaited<ReturnType<Outbox['read']>>): OauthAnswer {
  return answerOf({
    sets: Object.fromEntries(events.map(({ jti: id, token }) => [id, token])),
    ...(more && { moreAvailable: true }),
  })
}

function readPoll(body: string): z.infer<typeof pollRequest> {
  try {
    return pollRequest.parse(parseJsonObject(body).members)
  } catch (cause) {
    throw new CountersignError('invalid', 'the body is not a request of RFC 8936', {
      reason: 'request-malformed',
      cause,
    })
  }
}

import type { ServerResponse } from 'node:http'
import { asCountersignError, CountersignError } from '../../../src/errors.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { type Caller, lapseOf } from '../caller.ts'
import { revocationUnknown } from '../issuer/standing.ts'
import type { Limits } from '../settings.ts'

/** The calls of an integration that are under way, by whatever configuration they began. */
export interface Calls {
  /**
   * Begins one within these limits; it ends with its time, with its caller and what he has shown, when the integration is
   * shut, or where it was not known for five seconds what was revoked. Throws `exhausted` (`calls-many`, `caller-calls-many`), and with what it
   * was shut for: `forbidden` `integration-closed` unless told.
   */
  begin(asked: Asked, response: ServerResponse, limits: Limits): CallUnderWay
  /** Ends those whose caller this gives an error for. */
  review(judge: (caller: Caller) => CountersignError | undefined): void
  /** Ends those that could not begin now: configuration or policies have changed. */
  checkAgain(): void
  /** Ends all of them at once, and begins no more. */
  shut(why?: CountersignError): void
  isShut(): boolean
  underWay(): number
}

export interface Asked {
  readonly caller: Caller
  /** Throws why the call could not begin now. */
  readonly check: () => void
}

export interface CallUnderWay {
  /** Aborts with why the call may not go on. */
  readonly signal: AbortSignal
  /** Something came or went. */
  moved(): void
  end(): void
}

interface Live extends Asked {
  readonly response: ServerResponse
  readonly limits: Limits
  readonly startedMs: number
  movedMs: number
  stop(error: CountersignError): void
}

/** One look at all of them, each so often, costs less than a timer for each. */
const sweepMs = 250
/** No new call is made at once then; what has begun may outlast a restart of the issuer. */
const unknownMs = 5000

/** `isKnown`: whether it is known now what was revoked. */
export function createCalls(id: string, clock: Clock, isKnown: () => boolean): Calls {
  const live = new Set<Live>()
  /** When it was known last what was revoked, by the monotonic clock. */
  let knownMs = Number.NEGATIVE_INFINITY
  let over: CountersignError | undefined
  let sweeping = false

  const sweep = async (): Promise<void> => {
    sweeping = true
    while (live.size > 0) {
      await clock.sleep(sweepMs)
      const nowMs = clock.monotonicMs()
      if (isKnown()) knownMs = nowMs
      else if (nowMs - knownMs >= unknownMs) for (const { stop } of live) stop(revocationUnknown())
      const wallMs = clock.now().getTime()
      for (const { caller, response, limits, movedMs, startedMs, stop } of live) {
        const lapse = lapseOf(caller, wallMs, nowMs - startedMs)
        if (lapse !== undefined) stop(lapse)
        if (nowMs - startedMs > limits.durationMs) stop(late())
        else if (nowMs - movedMs > limits.timeoutMs) stop(isOfCaller(response) ? slow() : late())
      }
    }
    sweeping = false
  }
  /** At most half of what the others leave: however slow the calls of some are, something stays for the next. */
  const checkShare = ({ spiffeId }: Caller, most: number): void => {
    const own = [...live].filter(({ caller }) => caller.spiffeId === spiffeId).length
    const share = Math.max(1, Math.floor((most - (live.size - own)) / 2))
    if (own >= share) throw tooManyOfOne(id, share)
  }
  return {
    begin(asked, response, limits) {
      if (over !== undefined) throw over
      if (live.size >= limits.calls) throw tooMany(id, limits.calls)
      checkShare(asked.caller, limits.calls)
      const ending = new AbortController()
      const startedMs = clock.monotonicMs()
      const call: Live = {
        ...{ ...asked, response, limits, startedMs, movedMs: startedMs },
        stop: (why) => ending.abort(why),
      }
      const left = (): void => {
        if (!response.writableFinished) call.stop(gone())
      }
      if (live.size === 0) knownMs = startedMs
      live.add(call)
      if (response.closed) left()
      response.once('close', left)
      if (!sweeping) void sweep()
      return {
        signal: ending.signal,
        moved() {
          call.movedMs = clock.monotonicMs()
        },
        end() {
          live.delete(call)
          response.off('close', left)
        },
      }
    },
    review(judge) {
      for (const { caller, stop } of live) {
        const error = judge(caller)
        if (error !== undefined) stop(error)
      }
    },
    checkAgain() {
      for (const { check, stop } of live) {
        try {
          check()
        } catch (error) {
          stop(asCountersignError(error))
        }
      }
    },
    shut(why = closed()) {
      over = why
      for (const { stop } of live) stop(why)
    },
    isShut: () => over !== undefined,
    underWay: () => live.size,
  }
}

function closed(): CountersignError {
  return new CountersignError('forbidden', 'the integration has been shut', {
    reason: 'integration-closed',
  })
}

function tooMany(id: string, calls: number): CountersignError {
  return new CountersignError('exhausted', `${id} has ${calls} calls under way`, {
    reason: 'calls-many',
    retryAfterMs: 1000,
  })
}

function tooManyOfOne(id: string, share: number): CountersignError {
  return new CountersignError(
    'exhausted',
    `${share} of the calls that ${id} has under way are this caller’s, which is its share`,
    { reason: 'caller-calls-many', retryAfterMs: 1000 },
  )
}

function late(): CountersignError {
  return new CountersignError('deadline', 'the call took too long', { reason: 'vendor-timeout' })
}

/** Whether it is the caller for whom all wait: he takes nothing of his answer, or does not go on with his body. */
function isOfCaller(response: ServerResponse): boolean {
  const { req: request } = response
  return response.writableNeedDrain || (!request.complete && request.readableLength === 0)
}

function slow(): CountersignError {
  return new CountersignError('deadline', 'the caller took too long', { reason: 'caller-slow' })
}

function gone(): CountersignError {
  return new CountersignError('cancelled', 'the caller has left', { reason: 'caller-left' })
}

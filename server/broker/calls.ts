import type { ServerResponse } from 'node:http'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Caller } from './caller.ts'
import type { Integration } from './settings.ts'

/** The calls of an integration that are under way. */
export interface Calls {
  /**
   * Begins one; it ends with its time, with its caller, or when the integration is shut. Throws `exhausted`
   * `calls-many`, `forbidden` `integration-closed`.
   */
  begin(caller: Caller, response: ServerResponse, clock: Clock): CallUnderWay
  /** Ends those whose caller this gives an error for. */
  review(judge: (caller: Caller) => CountersignError | undefined): void
  /** Ends all of them at once, and begins no more. */
  shut(): void
  underWay(): number
}

export interface CallUnderWay {
  /** Aborts with why the call may not go on. */
  readonly signal: AbortSignal
  /** Something came or went. */
  moved(): void
  end(): void
}

export function createCalls({ id, limits }: Pick<Integration, 'id' | 'limits'>): Calls {
  const live = new Map<(error: CountersignError) => void, Caller>()
  let isShut = false
  return {
    begin(caller, response, clock) {
      if (isShut) throw closed()
      if (live.size >= limits.calls) throw tooMany(id, limits.calls)
      const over = new AbortController()
      const stop = (error: CountersignError): void => over.abort(error)
      const left = (): void => {
        if (!response.writableFinished) stop(gone())
      }
      live.set(stop, caller)
      response.once('close', left)
      const watch = createWatch(limits, clock, stop)
      return {
        signal: over.signal,
        moved: watch.moved,
        end() {
          live.delete(stop)
          response.off('close', left)
          watch.end()
        },
      }
    },
    shut() {
      isShut = true
      for (const stop of live.keys()) stop(closed())
    },
    review(judge) {
      for (const [stop, caller] of live) {
        const error = judge(caller)
        if (error !== undefined) stop(error)
      }
    },
    underWay: () => live.size,
  }
}

/** Stops what has not moved for too long, or takes too long in all. */
function createWatch(
  { timeoutMs, durationMs }: Integration['limits'],
  clock: Clock,
  stop: (error: CountersignError) => void,
): { moved(): void; end(): void } {
  const over = new AbortController()
  const startedMs = clock.monotonicMs()
  let movedMs = startedMs
  const watch = async (): Promise<void> => {
    for (;;) {
      const nextMs = Math.min(movedMs + timeoutMs, startedMs + durationMs)
      const leftMs = nextMs - clock.monotonicMs()
      if (leftMs <= 0) return stop(late())
      await clock.sleep(leftMs, over.signal)
    }
  }
  watch().catch(() => {})
  return {
    moved() {
      movedMs = clock.monotonicMs()
    },
    end: () => over.abort(),
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

function late(): CountersignError {
  return new CountersignError('deadline', 'the call took too long', { reason: 'vendor-timeout' })
}

function gone(): CountersignError {
  return new CountersignError('cancelled', 'the caller has left', { reason: 'caller-left' })
}

import type { ServerResponse } from 'node:http'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Route } from './routes.ts'

/** A call under way. */
export interface CallUnderWay {
  /** Aborts with why the call may not go on. */
  readonly signal: AbortSignal
  /** Something came or went. */
  moved(): void
  end(): void
}

/**
 * Begins one of the calls that an integration has room for; it ends with its time, with its caller, or when the
 * integration is shut. Throws `exhausted` `calls-many`.
 */
export function beginCall(route: Route, response: ServerResponse, clock: Clock): CallUnderWay {
  const { live, integration } = route
  const { calls, timeoutMs, durationMs } = integration.limits
  if (live.size >= calls) {
    throw new CountersignError('exhausted', `${integration.id} has ${calls} calls under way`, {
      reason: 'calls-many',
      retryAfterMs: 1000,
    })
  }
  const over = new AbortController()
  const watching = new AbortController()
  const stop = (error: CountersignError): void => over.abort(error)
  const left = (): void => {
    if (!response.writableFinished) stop(gone())
  }
  live.add(stop)
  response.once('close', left)
  const startedMs = clock.monotonicMs()
  let movedMs = startedMs
  const watch = async (): Promise<void> => {
    for (;;) {
      const nowMs = clock.monotonicMs()
      const leftMs = Math.min(movedMs + timeoutMs, startedMs + durationMs) - nowMs
      if (leftMs <= 0) return stop(late())
      await clock.sleep(leftMs, watching.signal)
    }
  }
  watch().catch(() => {})
  return {
    signal: over.signal,
    moved() {
      movedMs = clock.monotonicMs()
    },
    end() {
      live.delete(stop)
      response.off('close', left)
      watching.abort()
    },
  }
}

function late(): CountersignError {
  return new CountersignError('deadline', 'the call took too long', { reason: 'vendor-timeout' })
}

function gone(): CountersignError {
  return new CountersignError('cancelled', 'the caller has left', { reason: 'caller-left' })
}

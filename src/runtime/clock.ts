import { setTimeout as delay } from 'node:timers/promises'

const maxTimerMs = 0x7fffffff

/** Time as an argument. `Date.now`, `performance.now` and timers are used in this folder only. */
export interface Clock {
  /** The wall clock: what goes into certificates, tokens and records. */
  now(): Date
  /** Milliseconds of a clock that never jumps: what due times and time-outs are measured with. */
  monotonicMs(): number
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = clockOf({ keepsAlive: true })

/** As `systemClock`, but to wait by it keeps no process alive. */
export const backgroundClock: Clock = clockOf({ keepsAlive: false })

function clockOf({ keepsAlive }: { readonly keepsAlive: boolean }): Clock {
  return {
    now: () => new Date(),
    monotonicMs: () => performance.now(),
    async sleep(ms, signal) {
      signal?.throwIfAborted()
      const options = { ref: keepsAlive, ...(signal !== undefined && { signal }) }
      try {
        await delay(Math.min(Math.max(ms, 0), maxTimerMs), undefined, options)
      } catch (error) {
        throw signal?.aborted ? signal.reason : error
      }
    },
  }
}

/** Resolves after `ms`, or as soon as `woken` aborts; rejects with the signal's reason when that aborts first. */
export async function sleepUnlessWoken(
  clock: Clock,
  ms: number,
  woken: AbortSignal,
  signal: AbortSignal,
): Promise<void> {
  try {
    await clock.sleep(ms, AbortSignal.any([woken, signal]))
  } catch (error) {
    signal.throwIfAborted()
    if (!woken.aborted) throw error
  }
}

/** Calls `tick` each `ms` without keeping the process alive, until the result is called. */
export function every(ms: number, tick: () => void): () => void {
  const timer = setInterval(tick, ms).unref()
  return () => clearInterval(timer)
}

/** Calls `act` once after `ms` without keeping the process alive, unless the result is called before. */
export function later(ms: number, act: () => void): () => void {
  const timer = setTimeout(act, ms).unref()
  return () => clearTimeout(timer)
}

/** Keeps the process alive until the result is called. */
export function keepProcessAlive(): () => void {
  const timer = setInterval(() => {}, maxTimerMs)
  return () => clearInterval(timer)
}

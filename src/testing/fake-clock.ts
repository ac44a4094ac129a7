import type { Clock } from '../runtime/clock.ts'

interface Sleeper {
  readonly due: number
  readonly wake: () => void
}

/** A clock that stands still until a test moves it: for the `clock` of a source and of what is tested with it. */
export class FakeClock implements Clock {
  /** How far the wall clock is ahead. One sum for both, so that fractions of a wait do not add up to another time. */
  #aheadMs: number
  #monotonicMs = 0
  #sleepers: Sleeper[] = []

  constructor(now: Date = new Date('2026-06-01T12:00:00Z')) {
    this.#aheadMs = now.getTime()
  }

  now(): Date {
    return new Date(this.#aheadMs + this.#monotonicMs)
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      const sleeper: Sleeper = {
        due: this.#monotonicMs + ms,
        wake: () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        },
      }
      const abort = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#sleepers.push(sleeper)
    })
  }

  /** How many waits are pending: a loop that is not among them is busy or gone. */
  get sleeping(): number {
    return this.#sleepers.length
  }

  /** Lets time pass: wakes who is due, in order, and gives each a turn to act before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonicMs + ms
    for (;;) {
      await settle()
      const next = this.#sleepers
        .filter((sleeper) => sleeper.due <= end)
        .sort((a, b) => a.due - b.due)[0]
      if (next === undefined) break
      this.#sleepers = this.#sleepers.filter((other) => other !== next)
      this.#monotonicMs = Math.max(this.#monotonicMs, next.due)
      next.wake()
    }
    this.#monotonicMs = end
    await settle()
  }

  /** Moves the wall clock alone, as an operator or NTP would. */
  jump(ms: number): void {
    this.#aheadMs += ms
  }
}

/** Gives promises and immediates that are ready a chance to run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
  }
}

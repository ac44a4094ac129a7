import type { Clock } from '../../src/runtime/clock.ts'

interface Sleeper {
  readonly due: number
  readonly wake: () => void
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #wallMs: number
  #monotonicMs = 0
  #sleepers: Sleeper[] = []

  constructor(now: Date = new Date('2026-06-01T12:00:00Z')) {
    this.#wallMs = now.getTime()
  }

  now(): Date {
    return new Date(this.#wallMs)
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
      this.#wallMs += Math.max(0, next.due - this.#monotonicMs)
      this.#monotonicMs = Math.max(this.#monotonicMs, next.due)
      next.wake()
    }
    this.#wallMs += end - this.#monotonicMs
    this.#monotonicMs = end
    await settle()
  }

  /** Moves the wall clock alone, as an operator or NTP would. */
  jump(ms: number): void {
    this.#wallMs += ms
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

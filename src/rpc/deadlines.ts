import type { Clock } from '../runtime/clock.ts'

const sweepMs = 250

/**
 * Many waits under one coarse timer, so that a deadline costs a call no timer of its own. `expire`
 * runs within a quarter of a second after its time; nothing ticks while nobody waits.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #due = new Map<object, { readonly atMs: number; readonly expire: () => void }>()
  #sweeping = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  set(key: object, afterMs: number, expire: () => void): void {
    this.#due.set(key, { atMs: this.#clock.monotonicMs() + afterMs, expire })
    if (!this.#sweeping) void this.#sweep()
  }

  clear(key: object): void {
    this.#due.delete(key)
  }

  async #sweep(): Promise<void> {
    this.#sweeping = true
    while (this.#due.size > 0) {
      await this.#clock.sleep(sweepMs)
      const now = this.#clock.monotonicMs()
      for (const [key, { atMs, expire }] of this.#due) {
        if (atMs > now) continue
        this.#due.delete(key)
        expire()
      }
    }
    this.#sweeping = false
  }
}

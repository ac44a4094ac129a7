import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from './clock.ts'

const sliceMs = 4

/**
 * For work that would keep the event loop for long: between two pieces of it whoever does it asks
 * whether the slice is over, and if so lets everything else have its turn.
 */
export class Slice {
  readonly #clock: Clock
  #endMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#endMs = clock.monotonicMs() + sliceMs
  }

  get isOver(): boolean {
    return this.#clock.monotonicMs() >= this.#endMs
  }

  /** Another begins when this resolves. */
  async rest(): Promise<void> {
    await turn()
    this.#endMs = this.#clock.monotonicMs() + sliceMs
  }
}

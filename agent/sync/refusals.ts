import type { Entry } from '../../src/entry/entry.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { clocksApart } from '../../src/runtime/clocks-apart.ts'
import { shownBy } from '../cache/held-svid.ts'
import type { Refusal } from './due.ts'

const retryBaseMs = 1000
const retryCapMs = 60_000

/** The entries whose requests gave no SVID, and until when each is left alone. */
export class Refusals {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #held = new Map<string, Refusal>()

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock
    this.#random = random
  }

  get held(): ReadonlyMap<string, Refusal> {
    return this.#held
  }

  /**
   * How long these are left alone now, in ms: ever longer with each time, and at least `leastMs`. What
   * was refused together is asked for together again, in one batch.
   */
  putOff(entries: readonly Entry[], leastMs = 0, misdated = false): number {
    const at = { now: this.#clock.now(), monotonicMs: this.#clock.monotonicMs() }
    const drawn = 0.75 + this.#random() / 2
    let longestMs = 0
    for (const entry of entries) {
      const shows = shownBy(entry)
      const before = this.#held.get(entry.id)
      const failures = before?.shows === shows ? before.failures + 1 : 1
      const waitMs = Math.max(
        Math.min(retryBaseMs * 2 ** (failures - 1), retryCapMs) * drawn,
        leastMs,
      )
      longestMs = Math.max(longestMs, waitMs)
      this.#held.set(entry.id, {
        ...{ shows, failures, retryAtMs: at.monotonicMs + waitMs },
        clocksApartMs: misdated ? clocksApart(at) : undefined,
      })
    }
    return longestMs
  }

  forget(id: string): void {
    this.#held.delete(id)
  }

  keepOnly(wanted: ReadonlySet<string>): void {
    for (const id of this.#held.keys()) if (!wanted.has(id)) this.#held.delete(id)
  }

  clear(): void {
    this.#held.clear()
  }
}

import type { Clock } from '../../src/runtime/clock.ts'
import { hasExpired } from './expiry.ts'
import type { WorkloadUpdate } from './updates.ts'

const most = 1024

/** What was answered to workloads that asked once, by their selectors: until it is cleared, or an entry in it has expired. */
export class RememberedUpdates {
  readonly #clock: Clock
  readonly #updates = new Map<string, WorkloadUpdate | undefined>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The one that is remembered, or that is made now. */
  get(key: string, make: () => WorkloadUpdate | undefined): WorkloadUpdate | undefined {
    if (this.#updates.has(key)) {
      const remembered = this.#updates.get(key)
      const now = this.#clock.now()
      if (!remembered?.entries.some((entry) => hasExpired(entry, now))) return remembered
    }
    const update = make()
    if (this.#updates.size >= most) this.#updates.clear()
    this.#updates.set(key, update)
    return update
  }

  clear(): void {
    this.#updates.clear()
  }
}

import { CountersignError } from '../errors.ts'

/** Counts the open calls by caller, who is a user or an address, say. */
export class OpenCalls<K> {
  readonly #perCaller: number
  readonly #all: number
  readonly #open = new Map<K, number>()
  #total = 0
  #refused = 0

  constructor(perCaller: number, all: number) {
    this.#perCaller = perCaller
    this.#all = all
  }

  get total(): number {
    return this.#total
  }

  get refused(): number {
    return this.#refused
  }

  /** A copy. */
  byCaller(): ReadonlyMap<K, number> {
    return new Map(this.#open)
  }

  /** Throws `exhausted` (`too-many-streams`); otherwise the call has to be left with `leave`. */
  enter(caller: K): void {
    const open = this.#open.get(caller) ?? 0
    if (open >= this.#perCaller || this.#total >= this.#all) {
      this.#refused += 1
      throw new CountersignError('exhausted', 'too many open calls', {
        reason: 'too-many-streams',
        retryAfterMs: 1000,
      })
    }
    this.#open.set(caller, open + 1)
    this.#total += 1
  }

  leave(caller: K): void {
    const open = (this.#open.get(caller) ?? 0) - 1
    if (open > 0) this.#open.set(caller, open)
    else this.#open.delete(caller)
    this.#total -= 1
  }
}

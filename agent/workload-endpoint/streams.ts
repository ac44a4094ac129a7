import { CountersignError } from '../../src/errors.ts'

/** Counts the open calls by uid. */
export class StreamCaps {
  readonly #perUid: number
  readonly #all: number
  readonly #open = new Map<number, number>()
  #total = 0
  #refused = 0

  constructor(perUid: number, all: number) {
    this.#perUid = perUid
    this.#all = all
  }

  get total(): number {
    return this.#total
  }

  get refused(): number {
    return this.#refused
  }

  /** Open calls by uid; a copy. */
  byUid(): ReadonlyMap<number, number> {
    return new Map(this.#open)
  }

  /** Throws `exhausted` (`too-many-streams`); otherwise the call has to be left with `leave`. */
  enter(uid: number): void {
    const open = this.#open.get(uid) ?? 0
    if (open >= this.#perUid || this.#total >= this.#all) {
      this.#refused += 1
      throw new CountersignError('exhausted', 'too many open calls', {
        reason: 'too-many-streams',
        retryAfterMs: 1000,
      })
    }
    this.#open.set(uid, open + 1)
    this.#total += 1
  }

  leave(uid: number): void {
    const open = (this.#open.get(uid) ?? 0) - 1
    if (open > 0) this.#open.set(uid, open)
    else this.#open.delete(uid)
    this.#total -= 1
  }
}

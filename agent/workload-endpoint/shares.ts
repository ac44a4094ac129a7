/**
 * Shares out a number of things among users: each may hold at most half of what all others leave. So
 * one user never shuts out another, and however many join in, something stays for the next.
 */
export class Shares {
  readonly #capacity: number
  readonly #held = new Map<number, number>()
  #total = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get total(): number {
    return this.#total
  }

  get users(): number {
    return this.#held.size
  }

  heldBy(uid: number): number {
    return this.#held.get(uid) ?? 0
  }

  /** True, and they are held, where the user's share has room for `count` more. */
  take(uid: number, count: number): boolean {
    const wanted = this.heldBy(uid) + count
    const byOthers = this.#total - this.heldBy(uid)
    if (2 * wanted > this.#capacity - byOthers) return false
    this.#held.set(uid, wanted)
    this.#total += count
    return true
  }

  give(uid: number, count: number): void {
    if (count === 0) return
    const left = this.heldBy(uid) - count
    if (left > 0) this.#held.set(uid, left)
    else this.#held.delete(uid)
    this.#total -= count
  }
}

/** In a ring in the order of their last use, with the ends of the order between the newest and the oldest. */
interface Link {
  older: Link
  newer: Link
}

interface Kept<K, V> extends Link {
  readonly key: K
  value: V
}

/**
 * The `max` values that were used last, by key. The order is a chain of their own, since a Map that keeps it by taking
 * a key out and putting it in again leaves a gap each time, and walks over thousands of them.
 */
export class Recent<K, V> {
  readonly #max: number
  readonly #kept = new Map<K, Kept<K, V>>()
  readonly #ends = createRing()

  constructor(max: number) {
    this.#max = max
  }

  get(key: K): V | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    unlink(kept)
    linkBefore(this.#ends, kept)
    return kept.value
  }

  set(key: K, value: V): void {
    this.delete(key)
    const kept: Kept<K, V> = { key, value, older: this.#ends, newer: this.#ends }
    linkBefore(this.#ends, kept)
    this.#kept.set(key, kept)
    if (this.#kept.size > this.#max) this.delete((this.#ends.newer as Kept<K, V>).key)
  }

  delete(key: K): void {
    const kept = this.#kept.get(key)
    if (kept === undefined) return
    unlink(kept)
    this.#kept.delete(key)
  }
}

function createRing(): Link {
  const ends = {} as Link
  ends.older = ends
  ends.newer = ends
  return ends
}

function unlink({ older, newer }: Link): void {
  older.newer = newer
  newer.older = older
}

function linkBefore(ends: Link, link: Link): void {
  link.older = ends.older
  link.newer = ends
  link.older.newer = link
  ends.older = link
}

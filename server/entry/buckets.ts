import type { Entry } from '../../src/entry/entry.ts'

const nothing: readonly Entry[] = []

/**
 * Entries by some key that several may share. Most keys have one entry only, and then cost no
 * collection of their own.
 */
export class Buckets {
  readonly #buckets = new Map<string, Entry | Map<string, Entry>>()

  put(key: string, entry: Entry): void {
    const held = this.#buckets.get(key)
    if (held instanceof Map) held.set(entry.id, entry)
    else if (held === undefined || held.id === entry.id) this.#buckets.set(key, entry)
    else {
      const bucket = new Map([
        [held.id, held],
        [entry.id, entry],
      ])
      this.#buckets.set(key, bucket)
    }
  }

  delete(key: string, id: string): void {
    const held = this.#buckets.get(key)
    if (held instanceof Map) {
      held.delete(id)
      if (held.size === 0) this.#buckets.delete(key)
    } else if (held?.id === id) this.#buckets.delete(key)
  }

  has(key: string): boolean {
    return this.#buckets.has(key)
  }

  countOf(key: string): number {
    const held = this.#buckets.get(key)
    return held instanceof Map ? held.size : held === undefined ? 0 : 1
  }

  of(key: string): Iterable<Entry> {
    const held = this.#buckets.get(key)
    if (held === undefined) return nothing
    return held instanceof Map ? held.values() : [held]
  }
}

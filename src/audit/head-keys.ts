import type { SignedHead } from './signed-head.ts'

/**
 * Which keys may sign heads. With `pinned`, those and what they announce; without, the first that is met is
 * believed, and whatever comes unannounced is remembered for somebody to look at.
 */
export class HeadKeys {
  readonly #known: Set<string>
  readonly #pinned: boolean
  readonly #unannounced = new Set<string>()

  constructor(pinned: readonly string[]) {
    this.#known = new Set(pinned)
    this.#pinned = pinned.length > 0
  }

  /** Heads have to come in the order in which they were signed; one that is refused may come again behind others. */
  accepts({ key, next }: Pick<SignedHead, 'key' | 'next'>): boolean {
    if (this.#pinned && this.#known.has(key)) this.#unannounced.delete(key)
    if (!this.#known.has(key)) {
      if (this.#known.size > 0) this.#unannounced.add(key)
      if (this.#pinned) return false
      this.#known.add(key)
    }
    for (const one of next) this.#known.add(one)
    return true
  }

  /** SHA-256 of the keys that no head before had announced, hex. */
  get unannounced(): readonly string[] {
    return [...this.#unannounced]
  }
}

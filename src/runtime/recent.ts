/** The `max` values that were used last, by key. */
export class Recent<K, V> {
  readonly #max: number
  /** In the order of their last use. */
  readonly #values = new Map<K, V>()

  constructor(max: number) {
    this.#max = max
  }

  get(key: K): V | undefined {
    const value = this.#values.get(key)
    if (value !== undefined) {
      this.#values.delete(key)
      this.#values.set(key, value)
    }
    return value
  }

  set(key: K, value: V): void {
    this.#values.delete(key)
    this.#values.set(key, value)
    if (this.#values.size > this.#max) this.#values.delete(this.#values.keys().next().value as K)
  }

  delete(key: K): void {
    this.#values.delete(key)
  }
}

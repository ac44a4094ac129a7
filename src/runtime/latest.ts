/**
 * A mailbox that holds one value: `put` replaces what nobody has taken yet, so that a slow reader
 * costs one message and always reads the newest. For a single reader.
 */
export class Latest<T> implements AsyncIterable<T> {
  #value: { readonly item: T } | undefined
  #ended: { readonly error: Error | undefined } | undefined
  #wake: (() => void) | undefined

  put(item: T): void {
    if (this.#ended !== undefined) return
    this.#value = { item }
    this.#wake?.()
  }

  /** What was put before is still read; then the reader's loop ends, or throws the error. */
  end(error?: Error): void {
    this.#ended ??= { error }
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      const value = this.#value
      if (value !== undefined) {
        this.#value = undefined
        yield value.item
      } else if (this.#ended !== undefined) {
        if (this.#ended.error !== undefined) throw this.#ended.error
        return
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        this.#wake = undefined
      }
    }
  }
}

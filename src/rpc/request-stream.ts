type Result = IteratorResult<unknown>

/** The requests of a call, one at a time: `ask` has the next read off the wire, and `take` is given it. */
export class RequestStream implements AsyncIterableIterator<unknown> {
  readonly #ask: (isFirst: boolean) => void
  #begun = false
  #over = false
  #waiting: ((result: Result) => void) | undefined

  constructor(ask: (isFirst: boolean) => void) {
    this.#ask = ask
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Result> {
    if (this.#over) return Promise.resolve({ done: true, value: undefined })
    if (this.#waiting !== undefined)
      return Promise.reject(new Error('requests are read one by one'))
    return new Promise((resolve) => {
      this.#waiting = resolve
      const isFirst = !this.#begun
      this.#begun = true
      this.#ask(isFirst)
    })
  }

  return(): Promise<Result> {
    this.finish()
    return Promise.resolve({ done: true, value: undefined })
  }

  take(value: unknown): void {
    this.#answer({ done: false, value })
  }

  /** There are no more; nobody waits for them any longer. */
  finish(): void {
    this.#over = true
    this.#answer({ done: true, value: undefined })
  }

  #answer(result: Result): void {
    const resolve = this.#waiting
    this.#waiting = undefined
    resolve?.(result)
  }
}

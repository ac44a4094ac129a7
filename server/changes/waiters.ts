interface Waiter {
  readonly position: number
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/** Who waits for which number. */
export class Waiters {
  readonly #waiting = new Set<Waiter>()
  #stopped: { readonly reason: unknown } | undefined

  wait(position: number, signal?: AbortSignal): Promise<void> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped.reason)
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.delete(waiter)
        reject(signal?.reason)
      }
      const waiter: Waiter = {
        position,
        resolve() {
          signal?.removeEventListener('abort', abort)
          resolve()
        },
        reject(reason) {
          signal?.removeEventListener('abort', abort)
          reject(reason)
        },
      }
      this.#waiting.add(waiter)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  reached(position: number): void {
    for (const waiter of this.#waiting) {
      if (waiter.position > position) continue
      this.#waiting.delete(waiter)
      waiter.resolve()
    }
  }

  /** Rejects all that wait, and all that come. */
  stop(reason: unknown): void {
    this.#stopped = { reason }
    for (const waiter of this.#waiting) waiter.reject(reason)
    this.#waiting.clear()
  }
}

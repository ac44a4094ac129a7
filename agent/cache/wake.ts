import type { Clock } from '../../src/runtime/clock.ts'

/** What a loop waits for when it has nothing to do: a call of `set`, or some time. */
export class Wake {
  readonly #clock: Clock
  #isSet = false
  #resolve: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  set(): void {
    this.#isSet = true
    this.#resolve?.()
  }

  /**
   * Resolves once `set` has been called since the last wait, or after `ms` (undefined: never by
   * time). Rejects with the signal's reason.
   */
  async wait(ms: number | undefined, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (!this.#isSet) await this.#waitUntil(ms, signal)
    signal.throwIfAborted()
    this.#isSet = false
  }

  async #waitUntil(ms: number | undefined, signal: AbortSignal): Promise<void> {
    const over = new AbortController()
    await new Promise<void>((resolve) => {
      this.#resolve = resolve
      signal.addEventListener('abort', () => resolve(), { once: true, signal: over.signal })
      if (ms !== undefined) this.#clock.sleep(ms, over.signal).then(resolve, () => undefined)
    })
    this.#resolve = undefined
    over.abort()
  }
}

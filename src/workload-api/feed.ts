import { asCountersignError, CountersignError } from '../errors.ts'
import type { StreamEvent } from './follow.ts'

/**
 * The newest word of a stream that is followed. Each update replaces all of the one before. While the
 * agent is away what it said last stands; where it says that there is nothing any more, nothing does.
 */
export class Feed<T> {
  /** Settles with the first update that lacks nothing, or with what ends the stream before. */
  readonly first: Promise<void>
  /** Settles when nothing follows any more; never rejects. */
  readonly ended: Promise<void>
  readonly #listeners = new Set<() => void>()
  readonly #onError: (error: CountersignError) => void
  readonly #lackOf: (value: T) => CountersignError | undefined
  #value: T | undefined
  #live = false
  #absence = closed()

  constructor(
    events: AsyncIterable<StreamEvent<T>>,
    signal: AbortSignal,
    onError: (error: CountersignError) => void,
    lackOf: (value: T) => CountersignError | undefined,
  ) {
    const first = Promise.withResolvers<void>()
    first.promise.catch(() => {})
    this.first = first.promise
    this.#onError = (error) => call(() => onError(error))
    this.#lackOf = lackOf
    this.ended = this.#follow(events, signal, first)
  }

  /** Throws `unavailable`: `source-withdrawn`, `source-closed`; or what ended the stream for good. */
  value(): T {
    if (this.#value === undefined) throw this.#absence
    return this.#value
  }

  peek(): T | undefined {
    return this.#value
  }

  /** Whether the stream runs, and has said what there is. */
  get live(): boolean {
    return this.#live
  }

  /** Calls back after each change of the value, a withdrawal too; the result ends that. */
  onUpdate(listener: () => void): () => void {
    // A box: the same function may be given twice.
    const boxed = (): void => listener()
    this.#listeners.add(boxed)
    return () => void this.#listeners.delete(boxed)
  }

  async #follow(
    events: AsyncIterable<StreamEvent<T>>,
    signal: AbortSignal,
    first: PromiseWithResolvers<void>,
  ): Promise<void> {
    try {
      for await (const event of events) {
        this.#take(event)
        if (event.kind !== 'update') continue
        const lack = this.#lackOf(event.value)
        if (lack === undefined) first.resolve()
        else this.#onError(lack)
      }
    } catch (error) {
      first.reject(error)
      this.#absence = signal.aborted ? closed() : asCountersignError(error)
      if (!signal.aborted) this.#onError(this.#absence)
    } finally {
      this.#live = false
      this.#replace(undefined)
    }
  }

  #take(event: StreamEvent<T>): void {
    switch (event.kind) {
      case 'update':
        this.#live = true
        this.#replace(event.value)
        return
      case 'malformed':
        this.#onError(event.error)
        return
      case 'denied':
        this.#live = false
        if (this.#value !== undefined) {
          this.#absence = absent('source-withdrawn', 'this process has no identity any more')
          this.#replace(undefined)
        }
        this.#onError(event.error)
        return
      case 'interrupted':
        this.#live = false
        if (event.error !== undefined) this.#onError(event.error)
    }
  }

  #replace(value: T | undefined): void {
    if (value === undefined && this.#value === undefined) return
    this.#value = value
    for (const listener of this.#listeners) call(listener)
  }
}

/** What a listener throws, one of errors too, is an uncaught exception, and no reason to stop following. */
function call(listener: () => void): void {
  try {
    listener()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

function closed(): CountersignError {
  return absent('source-closed', 'the source has been closed')
}

/** Nothing is there that may be used. */
export function absent(reason: string, message: string): CountersignError {
  return new CountersignError('unavailable', message, { reason })
}

import { CountersignError } from '../errors.ts'
import type { Clock } from './clock.ts'
import { untilAborted } from './until-aborted.ts'
import { within } from './within.ts'

interface Kept<R, T> {
  readonly request: R
  readonly value: T
  /** By the clock that never jumps. */
  renewAtMs: number
  /** Whether anybody has asked for it. */
  used: boolean
}

const maxKept = 1000
/** How long what is due is left alone after it could not be renewed. */
const pauseMs = 5000
/** Nobody waits longer for another one who could have what is good still. */
const patienceMs = 250
/** It is told to nobody: what is there serves. */
const late = new Error('another one takes its time')

/**
 * What others give for a while, by the request for it. A value is due at the half of what it has left, and serves until
 * it expires, also while whoever gives the next one does not answer. Of more than 1,000 the one that was made first goes.
 */
export class ExpiringCache<R, T extends { readonly expiresAt: Date }> {
  readonly #clock: Clock
  readonly #fetch: (request: R) => Promise<T>
  #kept = new Map<string, Kept<R, T>>()
  #pending = new Map<string, Promise<T>>()

  constructor(clock: Clock, fetch: (request: R) => Promise<T>) {
    this.#clock = clock
    this.#fetch = fetch
  }

  /** `key` says all that the request does. Rejects as `fetch` does, or with the signal's reason. */
  async get(key: string, request: R, signal?: AbortSignal): Promise<T> {
    const kept = this.#notDue(key)
    if (kept !== undefined) {
      kept.used = true
      return kept.value
    }
    try {
      const renewal = untilAborted(this.#renewed(key, request), signal)
      const value = await (this.#canServe(key)
        ? within(this.#clock, patienceMs, renewal, () => late)
        : renewal)
      const renewed = this.#kept.get(key)
      if (renewed !== undefined) renewed.used = true
      return value
    } catch (error) {
      signal?.throwIfAborted()
      if (error !== late && !(error instanceof CountersignError)) throw error
      if (error instanceof CountersignError && error.code === 'forbidden') this.#kept.delete(key)
      const still = this.#kept.get(key)
      if (still === undefined || !this.#isGood(still)) {
        // What was there has been let go of meanwhile.
        if (error === late) return untilAborted(this.#renewed(key, request), signal)
        throw error
      }
      still.renewAtMs = this.#clock.monotonicMs() + pauseMs
      return still.value
    }
  }

  /** Has it there before anybody asks, where it is not. Rejects as `fetch` does. */
  async prepare(key: string, request: R): Promise<void> {
    if (this.#notDue(key) === undefined) await this.#renewed(key, request)
  }

  /** Of what somebody has asked for, and is good still. */
  requests(): readonly (readonly [key: string, request: R])[] {
    return [...this.#kept]
      .filter(([, kept]) => kept.used && this.#isGood(kept))
      .map(([key, { request }]) => [key, request] as const)
  }

  /** Where it is this value that is here, it serves nobody any more. */
  forget(key: string, value: T): void {
    if (this.#kept.get(key)?.value === value) this.#kept.delete(key)
  }

  /** What is meant serves nobody any more. */
  forgetIf(isMeant: (value: T) => boolean): void {
    for (const [key, { value }] of this.#kept) if (isMeant(value)) this.#kept.delete(key)
  }

  /** Nothing that is here, or on its way, serves anybody any more. */
  clear(): void {
    this.#kept = new Map()
    this.#pending = new Map()
  }

  /** One call at a time for each key, whoever waits for it. */
  #renewed(key: string, request: R): Promise<T> {
    const pending = this.#pending
    const under = pending.get(key)
    if (under !== undefined) return under
    const renewal = this.#renew(key, request).finally(() => pending.delete(key))
    pending.set(key, renewal)
    return renewal
  }

  async #renew(key: string, request: R): Promise<T> {
    const kept = this.#kept
    const value = await this.#fetch(request)
    const leftMs = value.expiresAt.getTime() - this.#clock.now().getTime()
    // The one that was made first goes first.
    kept.delete(key)
    const [oldest] = kept.keys()
    if (kept.size >= maxKept && oldest !== undefined) kept.delete(oldest)
    const renewAtMs = this.#clock.monotonicMs() + leftMs / 2
    kept.set(key, { request, value, renewAtMs, used: false })
    return value
  }

  #notDue(key: string): Kept<R, T> | undefined {
    const kept = this.#kept.get(key)
    const isDue = kept === undefined || this.#clock.monotonicMs() >= kept.renewAtMs
    return isDue || !this.#isGood(kept) ? undefined : kept
  }

  /** Whether there is one that outlasts the patience for another. */
  #canServe(key: string): boolean {
    const kept = this.#kept.get(key)
    const nowMs = this.#clock.now().getTime()
    return kept !== undefined && nowMs + patienceMs < kept.value.expiresAt.getTime()
  }

  #isGood({ value }: Kept<R, T>): boolean {
    return this.#clock.now() < value.expiresAt
  }
}

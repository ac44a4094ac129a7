import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'

export interface RateLimit {
  /** Tokens that come back each second. */
  readonly perSecond: number
  /** Tokens that a caller who was quiet may spend at once. */
  readonly burst: number
}

interface Bucket {
  tokens: number
  atMs: number
}

/**
 * Token buckets, one a key (an identity or an address). A call that finds too few is refused with the
 * time after which it would succeed; nothing waits inside the server. Keys that were not used for a
 * while are forgotten: two generations of at most `maxKeys` each.
 */
export class RateLimiter {
  readonly #limit: RateLimit
  readonly #clock: Clock
  readonly #maxKeys: number
  #recent = new Map<string, Bucket>()
  #older = new Map<string, Bucket>()

  constructor(limit: RateLimit, clock: Clock, maxKeys = 100_000) {
    this.#limit = limit
    this.#clock = clock
    this.#maxKeys = maxKeys
  }

  /** Throws `exhausted` / `rate-limited` with a retry hint where the key has spent its share. A cost below 0 is given back. */
  take(key: string, cost = 1): void {
    const { perSecond, burst } = this.#limit
    if (cost > burst) {
      throw new CountersignError('exhausted', `one request may ask for at most ${burst}`, {
        reason: 'rate-limited',
        fix: 'send smaller batches',
      })
    }
    const bucket = this.#refilled(key)
    if (bucket.tokens < cost) {
      throw new CountersignError('exhausted', 'too many requests', {
        reason: 'rate-limited',
        retryAfterMs: Math.ceil(((cost - bucket.tokens) / perSecond) * 1000),
      })
    }
    bucket.tokens -= cost
  }

  /** As `take`; false where it would throw. */
  tryTake(key: string): boolean {
    const bucket = this.#refilled(key)
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }

  #refilled(key: string): Bucket {
    const { perSecond, burst } = this.#limit
    const nowMs = this.#clock.monotonicMs()
    const bucket = this.#bucket(key, nowMs)
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond)
    bucket.atMs = nowMs
    return bucket
  }

  #bucket(key: string, nowMs: number): Bucket {
    const recent = this.#recent.get(key)
    if (recent !== undefined) return recent
    const bucket = this.#older.get(key) ?? { tokens: this.#limit.burst, atMs: nowMs }
    if (this.#recent.size >= this.#maxKeys) {
      this.#older = this.#recent
      this.#recent = new Map()
    }
    this.#recent.set(key, bucket)
    return bucket
  }
}

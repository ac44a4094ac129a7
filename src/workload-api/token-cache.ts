import { CountersignError } from '../errors.ts'
import type { Clock } from '../runtime/clock.ts'
import { untilAborted } from '../runtime/until-aborted.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { audienceGiven } from '../svid/jwt-svid.ts'
import type { HintedJwtSvid } from './context.ts'
import type { JwtSvidRequest } from './jwt-svids.ts'

interface Kept {
  readonly svid: HintedJwtSvid
  /** By the clock that never jumps. */
  renewAtMs: number
}

const maxTokens = 1000
/** How long a token that is due is left alone after it could not be renewed. */
const pauseMs = 5000

/** Tokens by identity and audience. A token is due at the half of what it has left, and serves until it expires. */
export class TokenCache {
  readonly #clock: Clock
  readonly #fetch: (request: JwtSvidRequest) => Promise<HintedJwtSvid>
  #kept = new Map<string, Kept>()
  #pending = new Map<string, Promise<HintedJwtSvid>>()

  constructor(clock: Clock, fetch: (request: JwtSvidRequest) => Promise<HintedJwtSvid>) {
    this.#clock = clock
    this.#fetch = fetch
  }

  async get(
    audience: string | readonly string[],
    { spiffeId, signal }: { readonly spiffeId?: SpiffeId; readonly signal?: AbortSignal },
  ): Promise<HintedJwtSvid> {
    const request = { audience: [...new Set(audienceGiven(audience))].sort(), spiffeId }
    const key = JSON.stringify([spiffeId ?? '', ...request.audience])
    const kept = this.#kept.get(key)
    if (kept !== undefined && this.#clock.monotonicMs() < kept.renewAtMs && this.#isGood(kept)) {
      return kept.svid
    }
    try {
      return await untilAborted(this.#renewed(key, request), signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof CountersignError)) throw error
      if (error.code === 'forbidden') this.#kept.delete(key)
      const still = this.#kept.get(key)
      if (still === undefined || !this.#isGood(still)) throw error
      still.renewAtMs = this.#clock.monotonicMs() + pauseMs
      return still.svid
    }
  }

  /** Nothing that is here, or on its way, serves anybody any more. */
  clear(): void {
    this.#kept = new Map()
    this.#pending = new Map()
  }

  /** One call at a time for each key, whoever waits for it. */
  #renewed(key: string, request: JwtSvidRequest): Promise<HintedJwtSvid> {
    const pending = this.#pending
    const under = pending.get(key)
    if (under !== undefined) return under
    const renewal = this.#renew(key, request).finally(() => pending.delete(key))
    pending.set(key, renewal)
    return renewal
  }

  async #renew(key: string, request: JwtSvidRequest): Promise<HintedJwtSvid> {
    const kept = this.#kept
    const svid = await this.#fetch(request)
    const leftMs = svid.expiresAt.getTime() - this.#clock.now().getTime()
    // The one that was made first goes first.
    kept.delete(key)
    const [oldest] = kept.keys()
    if (kept.size >= maxTokens && oldest !== undefined) kept.delete(oldest)
    kept.set(key, { svid, renewAtMs: this.#clock.monotonicMs() + leftMs / 2 })
    return svid
  }

  #isGood({ svid }: Kept): boolean {
    return this.#clock.now() < svid.expiresAt
  }
}

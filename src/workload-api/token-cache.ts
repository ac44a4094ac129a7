import type { Clock } from '../runtime/clock.ts'
import { ExpiringCache } from '../runtime/expiring-cache.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { audienceGiven } from '../svid/jwt-svid.ts'
import type { HintedJwtSvid } from './context.ts'
import type { JwtSvidRequest } from './jwt-svids.ts'

/** Tokens by identity and audience. */
export class TokenCache {
  readonly #kept: ExpiringCache<JwtSvidRequest, HintedJwtSvid>

  constructor(clock: Clock, fetch: (request: JwtSvidRequest) => Promise<HintedJwtSvid>) {
    this.#kept = new ExpiringCache(clock, fetch)
  }

  async get(
    audience: string | readonly string[],
    { spiffeId, signal }: { readonly spiffeId?: SpiffeId; readonly signal?: AbortSignal },
  ): Promise<HintedJwtSvid> {
    const request = { audience: [...new Set(audienceGiven(audience))].sort(), spiffeId }
    const key = JSON.stringify([spiffeId ?? '', ...request.audience])
    return this.#kept.get(key, request, signal)
  }

  /** Nothing that is here, or on its way, serves anybody any more. */
  clear(): void {
    this.#kept.clear()
  }
}

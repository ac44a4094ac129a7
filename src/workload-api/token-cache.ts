import type { Clock } from '../runtime/clock.ts'
import { ExpiringCache } from '../runtime/expiring-cache.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { audienceGiven } from '../svid/jwt-svid.ts'
import type { HintedJwtSvid } from './context.ts'
import type { JwtSvidRequest } from './jwt-svids.ts'

/** Tokens by identity and audience. One with a `jti` may be good once: it is for one caller, and not kept. */
export class TokenCache {
  readonly #kept: ExpiringCache<JwtSvidRequest, HintedJwtSvid>
  readonly #given = new WeakSet<HintedJwtSvid>()

  constructor(clock: Clock, fetch: (request: JwtSvidRequest) => Promise<HintedJwtSvid>) {
    this.#kept = new ExpiringCache(clock, fetch)
  }

  async get(
    audience: string | readonly string[],
    { spiffeId, signal }: { readonly spiffeId?: SpiffeId; readonly signal?: AbortSignal },
  ): Promise<HintedJwtSvid> {
    const request = { audience: [...new Set(audienceGiven(audience))].sort(), spiffeId }
    const key = JSON.stringify([spiffeId ?? '', ...request.audience])
    for (;;) {
      const svid = await this.#kept.get(key, request, signal)
      if (svid.claims['jti'] === undefined) return svid
      this.#kept.forget(key, svid)
      // Whoever has waited for it beside another asks for one of his own.
      if (this.#given.has(svid)) continue
      this.#given.add(svid)
      return svid
    }
  }

  discard(token: string): void {
    this.#kept.forgetIf((svid) => svid.token === token)
  }

  /** Nothing that is here, or on its way, serves anybody any more. */
  clear(): void {
    this.#kept.clear()
  }
}

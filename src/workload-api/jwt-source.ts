import type { Bundle, BundleLookup } from '../bundle/bundle.ts'
import type { SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { jwtBundles } from './bundle-set.ts'
import type { BundleSet, HintedJwtSvid } from './context.ts'
import type { Feed } from './feed.ts'
import { fetchJwtSvids } from './jwt-svids.ts'
import type { SourceOptions, SourceState } from './options.ts'
import { Session } from './session.ts'
import { TokenCache } from './token-cache.ts'

/** Whose token, and how long to wait for it. */
export interface JwtSourceFetchOptions {
  /** The identity to get a token for; the default one unless told. */
  readonly spiffeId?: SpiffeId
  /** Ends the wait, which rejects with its reason. */
  readonly signal?: AbortSignal
}

/**
 * JWT-SVIDs for this process and the JWT bundles to verify those of others with (§6.2): with
 * `verifyJwtSvid(token, { audience, bundles: source })`.
 */
export class JwtSource implements BundleLookup, AsyncDisposable {
  readonly #session: Session
  readonly #feed: Feed<BundleSet>
  readonly #tokens: TokenCache

  private constructor(session: Session) {
    const { connection, clock } = session
    this.#session = session
    this.#feed = session.follow(jwtBundles)
    this.#tokens = new TokenCache(clock, async ({ audience, spiffeId }) => {
      const [svid] = await fetchJwtSvids(connection, clock, audience, { spiffeId })
      return svid
    })
    this.#feed.onUpdate(() => {
      if (this.#feed.peek() === undefined) this.#tokens.clear()
    })
  }

  /** Opens when the bundles are there. Rejects as `X509Source.open` does. */
  static open(options: SourceOptions = {}): Promise<JwtSource> {
    return Session.open(options, (session) => new JwtSource(session))
  }

  /**
   * A token for the audience that is good now: the one that is here, or a new one from the half of its
   * life on. While the agent is away the one that is here serves until it expires, and not longer.
   * Throws as the method of `WorkloadApiClient` does, and `unavailable`: `source-withdrawn`, `source-closed`.
   */
  async fetchJwtSvid(
    audience: string | readonly string[],
    options: JwtSourceFetchOptions = {},
  ): Promise<HintedJwtSvid> {
    this.#feed.value()
    const svid = await this.#tokens.get(audience, options)
    // It may have been on its way when all was withdrawn.
    this.#feed.value()
    return svid
  }

  /**
   * The same for a request over HTTP (JWT-SVID §5.2), over TLS alone: `fetch(url, { headers: await
   * source.fetchHeaders(audience) })`.
   */
  async fetchHeaders(
    audience: string | readonly string[],
    options: JwtSourceFetchOptions = {},
  ): Promise<{ readonly authorization: string }> {
    const { token } = await this.fetchJwtSvid(audience, options)
    return { authorization: `Bearer ${token}` }
  }

  /**
   * Gives this token to nobody any more: for one that a server refuses, as it does where it is from before a revocation.
   * The next that is asked for comes from the agent.
   */
  discard(token: string): void {
    this.#tokens.discard(token)
  }

  /** The JWT authorities of a trust domain; undefined where it is not trusted here. */
  bundleOf(trustDomain: TrustDomain): Bundle | undefined {
    return this.#feed.peek()?.bundleOf(trustDomain)
  }

  /** Of the bundles; a token that is kept has a life of its own. */
  get state(): SourceState {
    if (this.#feed.peek() === undefined) return 'expired'
    return this.#feed.live ? 'fresh' : 'stale'
  }

  /** Calls back after each change of the bundles, a withdrawal too; the result ends that. */
  onUpdate(listener: () => void): () => void {
    return this.#feed.onUpdate(listener)
  }

  /** Ends with nothing left to show or to trust. */
  close(): Promise<void> {
    return this.#session.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

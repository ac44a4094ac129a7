import type { Bundle, BundleLookup } from '../bundle/bundle.ts'
import type { TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { emptyBundle, jwtBundles, x509Bundles } from './bundle-set.ts'
import type { BundleSet } from './context.ts'
import type { Feed } from './feed.ts'
import type { SourceOptions, SourceState } from './options.ts'
import { Session } from './session.ts'

/**
 * The X.509 and JWT bundles that this process may verify with, as the Workload API last said (§5.2.2,
 * §6.2.2): for a service that checks others and shows no identity itself.
 */
export class BundleSource implements BundleLookup, AsyncDisposable {
  readonly #session: Session
  readonly #x509: Feed<BundleSet>
  readonly #jwt: Feed<BundleSet>
  /** Made when first asked for after an update: a bundle stays the same object until the next. */
  #joined = new Map<TrustDomain, Bundle | undefined>()

  private constructor(session: Session) {
    this.#session = session
    this.#x509 = session.follow(x509Bundles)
    this.#jwt = session.follow(jwtBundles)
    for (const feed of [this.#x509, this.#jwt]) feed.onUpdate(() => this.#joined.clear())
  }

  /** Opens when the bundles of both kinds are there. Rejects as `X509Source.open` does. */
  static open(options: SourceOptions = {}): Promise<BundleSource> {
    return Session.open(options, (session) => new BundleSource(session))
  }

  /** The authorities of a trust domain, of both kinds; undefined where it is not trusted here. */
  bundleOf(trustDomain: TrustDomain): Bundle | undefined {
    const known = this.#joined.get(trustDomain)
    if (known !== undefined) return known
    const x509 = this.#x509.peek()?.bundleOf(trustDomain)
    const jwt = this.#jwt.peek()?.bundleOf(trustDomain)
    if (x509 === undefined && jwt === undefined) return undefined
    const joined: Bundle = {
      ...emptyBundle(trustDomain),
      x509Authorities: x509?.x509Authorities ?? [],
      jwtAuthorities: jwt?.jwtAuthorities ?? [],
      crls: x509?.crls,
    }
    this.#joined.set(trustDomain, joined)
    return joined
  }

  /** Of the worse of both kinds. */
  get state(): SourceState {
    const feeds = [this.#x509, this.#jwt]
    if (feeds.some((feed) => feed.peek() === undefined)) return 'expired'
    return feeds.every((feed) => feed.live) ? 'fresh' : 'stale'
  }

  /** Calls back after each change, a withdrawal too; the result ends that. */
  onUpdate(listener: () => void): () => void {
    const ends = [this.#x509.onUpdate(listener), this.#jwt.onUpdate(listener)]
    return () => {
      for (const end of ends) end()
    }
  }

  /** Ends with nothing left to trust. */
  close(): Promise<void> {
    return this.#session.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

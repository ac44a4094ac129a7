import type { Bundle } from '../bundle/bundle.ts'
import { jwtBundleJwks, x509BundleDer } from '../bundle/document.ts'
import { CountersignError } from '../errors.ts'
import type { JWTBundlesResponse$Input } from '../rpc/gen/JWTBundlesResponse.ts'
import type { JWTSVIDResponse$Input } from '../rpc/gen/JWTSVIDResponse.ts'
import type { X509BundlesResponse$Input } from '../rpc/gen/X509BundlesResponse.ts'
import type { X509SVIDResponse$Input } from '../rpc/gen/X509SVIDResponse.ts'
import { SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import type { GrantOptions } from './script.ts'
import type { TestTrustDomain } from './trust-domain.ts'

interface Granted {
  readonly spiffeId: SpiffeId
  readonly owner: TestTrustDomain
  readonly options: GrantOptions
  svid: X509Svid
}

/** What the one workload of a `FakeWorkloadApi` has, and what is said of it. */
export class Entitlements {
  readonly #own: TestTrustDomain
  readonly #granted = new Map<string, Granted>()
  readonly #federated = new Map<TrustDomain, TestTrustDomain>()

  constructor(own: TestTrustDomain) {
    this.#own = own
  }

  get none(): boolean {
    return this.#granted.size === 0
  }

  /** Throws `invalid`: `spiffe-id-…`, `testing-trust-domain`, `lint-…`. */
  async grant(spiffeId: string, options: GrantOptions): Promise<X509Svid> {
    const id = SpiffeId.parse(spiffeId)
    const owner = this.trustDomain(SpiffeId.trustDomainOf(id))
    if (owner === undefined) {
      throw new CountersignError('invalid', 'an identity is one of a trust domain that is known', {
        reason: 'testing-trust-domain',
        fix: 'federate with it first',
      })
    }
    const svid = await owner.issueX509(id, options)
    this.#granted.set(id, { spiffeId: id, owner, options, svid })
    return svid
  }

  withdraw(spiffeId: string | undefined): void {
    if (spiffeId === undefined) this.#granted.clear()
    else this.#granted.delete(spiffeId)
  }

  async rotate(authorities: boolean): Promise<void> {
    if (authorities) await Promise.all(this.#trustDomains().map((one) => one.rotate()))
    for (const one of this.#granted.values()) {
      one.svid = await one.owner.issueX509(one.spiffeId, one.options)
    }
  }

  federate(trustDomain: TestTrustDomain): void {
    this.#federated.set(trustDomain.name, trustDomain)
  }

  unfederate(trustDomain: TestTrustDomain): void {
    this.#federated.delete(trustDomain.name)
  }

  trustDomain(name: TrustDomain): TestTrustDomain | undefined {
    return name === this.#own.name ? this.#own : this.#federated.get(name)
  }

  x509Svids(): X509SVIDResponse$Input {
    return {
      svids: [...this.#granted.values()].map(({ spiffeId, svid, owner, options }) => ({
        spiffe_id: spiffeId,
        x509_svid: Buffer.concat(svid.chain),
        x509_svid_key: svid.privateKey,
        bundle: x509BundleDer(owner.bundle),
        hint: options.hint ?? '',
      })),
      federated_bundles: byId([...this.#federated.values()], x509BundleDer),
    }
  }

  x509Bundles(): X509BundlesResponse$Input {
    return { bundles: byId(this.#trustDomains(), x509BundleDer) }
  }

  jwtBundles(): JWTBundlesResponse$Input {
    return { bundles: byId(this.#trustDomains(), jwtBundleJwks) }
  }

  /** For each identity, or the one of the given ID; undefined where there is none. */
  async jwtSvids(
    audience: readonly string[],
    id: string,
  ): Promise<JWTSVIDResponse$Input | undefined> {
    const asked = [...this.#granted.values()].filter(({ spiffeId }) => id === '' || id === spiffeId)
    if (asked.length === 0) return undefined
    const svids = asked.map(async ({ spiffeId, owner, options }) => ({
      spiffe_id: spiffeId,
      svid: await owner.issueJwt(spiffeId, audience, { ttlSeconds: options.jwtTtlSeconds }),
      hint: options.hint ?? '',
    }))
    return { svids: await Promise.all(svids) }
  }

  #trustDomains(): readonly TestTrustDomain[] {
    return [this.#own, ...this.#federated.values()]
  }
}

/** Under the IDs of their trust domains (Workload API §5.1). */
function byId(
  trustDomains: readonly TestTrustDomain[],
  write: (bundle: Bundle) => Buffer,
): Record<string, Buffer> {
  return Object.fromEntries(
    trustDomains.map(({ name, bundle }) => [TrustDomain.toId(name), write(bundle)]),
  )
}

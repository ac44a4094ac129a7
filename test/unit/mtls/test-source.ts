import type { Bundle } from '../../../src/bundle/bundle.ts'
import { CountersignError } from '../../../src/errors.ts'
import type { IdentitySource } from '../../../src/mtls/identity-source.ts'
import type { TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { type X509Svid, x509SvidFrom } from '../../../src/svid/x509-svid.ts'
import { generateKeyPair, softwareSigner } from '../../../src/x509/key.ts'
import { certify, type Made, partyWith, type Shape } from '../../support/x509-fixtures.ts'

/** A source whose SVID and bundles a test may change. */
export class TestSource implements IdentitySource {
  #svid: X509Svid | undefined
  #bundles: ReadonlyMap<TrustDomain, Bundle>
  readonly #listeners = new Set<() => void>()

  constructor(first: X509Svid | undefined, ...bundles: readonly Bundle[]) {
    this.#svid = first
    this.#bundles = byName(bundles)
  }

  svid(): X509Svid {
    if (this.#svid !== undefined) return this.#svid
    throw new CountersignError('unavailable', 'there is none', { reason: 'no-svid' })
  }

  bundleOf(trustDomain: TrustDomain): Bundle | undefined {
    return this.#bundles.get(trustDomain)
  }

  replace(next: X509Svid | undefined): void {
    this.#svid = next
    this.#tell()
  }

  trust(...bundles: readonly Bundle[]): void {
    this.#bundles = byName(bundles)
    this.#tell()
  }

  onUpdate(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  get listeners(): number {
    return this.#listeners.size
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

function byName(bundles: readonly Bundle[]): ReadonlyMap<TrustDomain, Bundle> {
  return new Map(bundles.map((bundle) => [bundle.trustDomain, bundle]))
}

/** An X509-SVID below `ca`, with a key of its own. */
export async function svidOf(ca: Made, id: string, shape: Shape = {}): Promise<X509Svid> {
  const { privateKey } = await generateKeyPair('ec-p256')
  const { der } = await certify(partyWith('', softwareSigner(privateKey)), ca, {
    uris: [id],
    ...shape,
  })
  return x509SvidFrom([der], privateKey.export({ format: 'der', type: 'pkcs8' }))
}

import { hash } from 'node:crypto'
import type { Bundle, BundleLookup } from '../bundle/bundle.ts'
import { Recent } from '../runtime/recent.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { holdsStill, type VerifiedX509Svid, verifyX509Svid } from './x509-svid.ts'

const maxChains = 1024

interface Remembered {
  readonly verified: VerifiedX509Svid
  /** A bundle is replaced whole: another object is another version. */
  readonly bundle: Bundle | undefined
}

const remembered = new WeakMap<BundleLookup, Recent<string, Remembered>>()

/**
 * `verifyX509Svid`, which costs a chain that the source's bundle has vouched for before no signature:
 * its dates and the CRLs are looked at each time. Of the chains seen last, 1,024 a source are kept.
 */
export function verifyAgain(
  chain: readonly Uint8Array[],
  source: BundleLookup,
  now: Date,
): VerifiedX509Svid {
  const chains = remembered.get(source) ?? new Recent<string, Remembered>(maxChains)
  remembered.set(source, chains)
  const key = chain.map((der) => hash('sha256', der, 'base64')).join()
  const found = chains.get(key)
  if (
    found !== undefined &&
    found.bundle === bundleFor(found.verified, source) &&
    holdsStill(found.verified, source, now)
  ) {
    return found.verified
  }
  chains.delete(key)
  const verified = verifyX509Svid(chain, source, now)
  chains.set(key, { verified, bundle: bundleFor(verified, source) })
  return verified
}

function bundleFor({ spiffeId }: VerifiedX509Svid, source: BundleLookup): Bundle | undefined {
  return source.bundleOf(SpiffeId.trustDomainOf(spiffeId))
}

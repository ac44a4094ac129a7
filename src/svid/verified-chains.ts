import { hash } from 'node:crypto'
import type { Bundle, BundleLookup } from '../bundle/bundle.ts'
import { Recent } from '../runtime/recent.ts'
import { SpiffeId, type TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { holdsStill, type VerifiedX509Svid, verifyX509Svid } from './x509-svid.ts'

const maxChains = 1024
const refusalMs = 10_000

interface Remembered {
  readonly verified: VerifiedX509Svid
  /** A bundle is replaced whole: another object is another version. */
  readonly bundle: Bundle | undefined
}

const remembered = new WeakMap<BundleLookup, Recent<string, Remembered>>()

interface Refusal {
  readonly error: unknown
  readonly at: Date
  /** Whose bundle was asked for, if any was, and what there was. */
  readonly trustDomain: TrustDomain | undefined
  readonly bundle: Bundle | undefined
}

/** By the array that a connection holds for as long as it lasts, so that strangers take no room of others. */
const refusals = new WeakMap<readonly Uint8Array[], Refusal>()

/**
 * `verifyX509Svid`, which costs a chain that the source's bundle has vouched for before no signature:
 * its dates and the CRLs are looked at each time. Of the chains seen last, 1,024 a source are kept. An array that was
 * refused is refused again, for ten seconds or until the bundle is another.
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
  const verified = verifyUnlessRefused(chain, source, now)
  chains.set(key, { verified, bundle: bundleFor(verified, source) })
  return verified
}

function verifyUnlessRefused(
  chain: readonly Uint8Array[],
  source: BundleLookup,
  now: Date,
): VerifiedX509Svid {
  const before = refusals.get(chain)
  if (before !== undefined && isStillRefused(before, source, now)) throw before.error
  let trustDomain: TrustDomain | undefined
  let bundle: Bundle | undefined
  const bundleOf = (asked: TrustDomain) => {
    trustDomain = asked
    bundle = source.bundleOf(asked)
    return bundle
  }
  try {
    return verifyX509Svid(chain, { bundleOf }, now)
  } catch (error) {
    refusals.set(chain, { error, at: now, trustDomain, bundle })
    throw error
  }
}

function isStillRefused(
  { at, trustDomain, bundle }: Refusal,
  source: BundleLookup,
  now: Date,
): boolean {
  const ageMs = now.getTime() - at.getTime()
  return (
    ageMs >= 0 &&
    ageMs < refusalMs &&
    (trustDomain === undefined || source.bundleOf(trustDomain) === bundle)
  )
}

function bundleFor({ spiffeId }: VerifiedX509Svid, source: BundleLookup): Bundle | undefined {
  return source.bundleOf(SpiffeId.trustDomainOf(spiffeId))
}

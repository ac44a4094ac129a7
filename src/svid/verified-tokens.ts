import { hash } from 'node:crypto'
import type { BundleLookup } from '../bundle/bundle.ts'
import { Recent } from '../runtime/recent.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import {
  checkTimes,
  hasEnded,
  type JwtSvid,
  type VerifiedJwtSvid,
  verifyByBundle,
} from './jwt-svid.ts'

const maxTokens = 4096

const remembered = new WeakMap<BundleLookup, Recent<string, VerifiedJwtSvid>>()

/**
 * `verifyJwtSvid`, which costs a token that the bundle of its trust domain has vouched for before, for the same
 * audience, no signature: its times are looked at each time, and a bundle that was replaced vouches anew. Of the tokens
 * seen last, 4,096 a source are kept.
 */
export async function verifyJwtSvidAgain(
  token: string,
  {
    audience,
    bundles,
    now,
  }: { readonly audience: string; readonly bundles: BundleLookup; readonly now: Date },
): Promise<JwtSvid> {
  const tokens = remembered.get(bundles) ?? new Recent<string, VerifiedJwtSvid>(maxTokens)
  remembered.set(bundles, tokens)
  const key = `${hash('sha256', token, 'base64')} ${audience}`
  const found = tokens.get(key)
  if (found !== undefined && holdsStill(found, bundles, now)) {
    checkTimes(found.svid, now)
    return found.svid
  }
  tokens.delete(key)
  const verified = await verifyByBundle(token, { audience, bundles, now })
  tokens.set(key, verified)
  return verified.svid
}

function holdsStill(
  { svid, bundle, authority }: VerifiedJwtSvid,
  bundles: BundleLookup,
  now: Date,
): boolean {
  // A bundle is replaced whole: another object is another version.
  const same = bundles.bundleOf(SpiffeId.trustDomainOf(svid.spiffeId)) === bundle
  return same && !hasEnded(authority, now)
}

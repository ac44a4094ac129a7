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
/** What is larger, for many audiences say, is verified each time: it would take the room of many. */
const maxTokenLength = 4096
/** Of a token: of its signature, that is, which no two have in common. */
const endLength = 32

interface Remembered extends VerifiedJwtSvid {
  readonly audience: string
}

const remembered = new WeakMap<BundleLookup, Recent<string, Remembered>>()

/**
 * `verifyJwtSvid`, which costs a token that the bundle of its trust domain has vouched for before, for the same
 * audience, no signature: its times are looked at each time, and a bundle that was replaced vouches anew. Of the tokens
 * seen last, 4,096 a source are kept, but for those of more than 4 KB.
 */
export async function verifyJwtSvidAgain(
  token: string,
  {
    audience,
    bundles,
    now,
  }: { readonly audience: string; readonly bundles: BundleLookup; readonly now: Date },
): Promise<JwtSvid> {
  const tokens = remembered.get(bundles) ?? new Recent<string, Remembered>(maxTokens)
  remembered.set(bundles, tokens)
  // Found by its end, at little cost, and believed where all of it is the same.
  const end = token.slice(-endLength)
  const found = tokens.get(end)
  const isSame = found?.svid.token === token && found.audience === audience
  if (isSame && holdsStill(found, bundles, now)) {
    checkTimes(found.svid, now)
    return found.svid
  }
  const verified = await verifyByBundle(token, { audience, bundles, now })
  if (token.length <= maxTokenLength) tokens.set(end, { ...verified, audience })
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

import type { BundleLookup } from '../bundle/bundle.ts'
import { CountersignError } from '../errors.ts'
import type { X509Svid } from '../svid/x509-svid.ts'

/** Whom to be, and by which bundles to check others. `X509Source` is one. */
export interface IdentitySource extends BundleLookup {
  /** The SVID to show now. Throws where there is none. */
  svid(): X509Svid
  /** Calls back after each change; the result ends that. */
  onUpdate(listener: () => void): () => void
}

/** undefined where the source has none now. */
export function currentSvid(source: IdentitySource): X509Svid | undefined {
  try {
    return source.svid()
  } catch (error) {
    if (error instanceof CountersignError) return undefined
    throw error
  }
}

/** Calls back where an update brought another SVID, not for one of bundles alone; the result ends that. */
export function onRenewal(source: IdentitySource, renewed: () => void): () => void {
  let leaf = currentSvid(source)?.chain[0]
  return source.onUpdate(() => {
    const next = currentSvid(source)?.chain[0]
    if (leaf !== undefined && next?.equals(leaf)) return
    leaf = next
    renewed()
  })
}

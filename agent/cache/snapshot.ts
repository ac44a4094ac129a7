import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import type { HeldSvid } from './held-svid.ts'
import { SharedMap } from './shared-map.ts'

/** What this node may serve at one moment. Replaced by each change, never edited. */
export interface Snapshot {
  /** The server's change log that `position` counts in; empty before the first snapshot. */
  readonly logId: string
  /** The number of the last change that is in here. */
  readonly position: number
  /** By entry id. */
  readonly entries: SharedMap<Entry>
  readonly bundles: ReadonlyMap<TrustDomain, Bundle>
  /** By entry id. */
  readonly svids: SharedMap<HeldSvid>
  /** By entry id, where a revocation has ended SVIDs. */
  readonly goodFrom: ReadonlyMap<string, GoodFrom>
}

/** Of which second, since 1970, or later SVIDs of an entry have to be: those of before prove nothing to servers. */
export interface GoodFrom {
  /** `notBefore` of an X.509-SVID. */
  readonly x509: number
  /** `iat` of a JWT-SVID. */
  readonly jwt: number
  /** When to ask for another X.509-SVID: ms of the monotonic clock, drawn once. */
  readonly renewAtMs: number
}

export function isEnded({ notBefore }: Pick<X509Svid, 'notBefore'>, goodFrom: GoodFrom): boolean {
  return notBefore.getTime() < goodFrom.x509 * 1000
}

export const emptySnapshot: Snapshot = {
  logId: '',
  position: 0,
  entries: SharedMap.of(),
  bundles: new Map(),
  svids: SharedMap.of(),
  goodFrom: new Map(),
}

/** What the server sent up to one position. */
export interface Change {
  readonly logId: string
  readonly position: number
  /** True: what is not in here is gone. */
  readonly snapshot: boolean
  readonly entries: readonly Entry[]
  readonly removedEntryIds: readonly string[]
  readonly bundles: readonly Bundle[]
  readonly removedTrustDomains: readonly TrustDomain[]
  /** By entry id, of `entries`; the others of them have none. */
  readonly goodFrom: ReadonlyMap<string, GoodFrom>
}

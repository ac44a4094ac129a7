import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
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
}

export const emptySnapshot: Snapshot = {
  logId: '',
  position: 0,
  entries: SharedMap.of(),
  bundles: new Map(),
  svids: SharedMap.of(),
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
}

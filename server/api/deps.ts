import type { Entry } from '../../src/entry/entry.ts'
import type { Target } from '../../src/policy/question.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { LevelSwitch, Log } from '../../src/runtime/log.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Caller, Peer } from '../access/caller.ts'
import type { RateLimiter } from '../access/limits.ts'
import type { Bundles } from '../bundle/bundles.ts'
import type { Federation } from '../bundle/federation.ts'
import type { Ca } from '../ca/ca.ts'
import type { Changes } from '../changes/changes.ts'
import type { Followers } from '../entry/followers.ts'
import type { EntryIndex } from '../entry/index.ts'
import type { Registry } from '../entry/registry.ts'
import type { KeyHash } from '../legacy/legacy-caller.ts'
import type { Act, NodeDeps } from '../node/lifecycle.ts'
import type { Policies } from '../policy/policies.ts'
import type { Revocations } from '../revocation/revocations.ts'
import type { WriteFacts } from '../revocation/write-facts.ts'
import type { Store } from '../store/store.ts'

/** What the services stand on. Each takes what it needs of it. */
export interface ApiDeps {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly log: Log
  readonly logLevel: LevelSwitch
  readonly store: Store
  readonly changes: Changes
  readonly index: EntryIndex
  readonly registry: Registry
  readonly followers: Followers
  readonly bundles: Bundles
  readonly federation: Federation
  readonly ca: Ca
  readonly revocations: Revocations
  readonly writeFacts: WriteFacts
  readonly nodes: NodeDeps
  /** undefined where no access tokens are issued; `resources` is empty then. */
  readonly policies: Policies | undefined
  /** Workloads of other trust domains, in place of entries; none where no access tokens are issued. */
  readonly foreignClients: {
    get(id: SpiffeId): Entry | undefined
    ofOwner(owner: string): readonly Entry[]
  }
  readonly legacyKeyHash: KeyHash
  /** Whether anybody may change the key of a legacy caller for a token here. */
  readonly hasLegacyEdges: boolean
  readonly policiesInStore: boolean
  readonly resources: ReadonlyMap<string, ApiResource>
  /** Seals page tokens; drawn anew at each start. */
  readonly cursorKey: Buffer
  readonly limits: { readonly attest: RateLimiter; readonly sign: RateLimiter }
  /** Puts on record, within bounds, that something inside a call was refused; the answer may say less. */
  readonly denied: (peer: Peer, method: string, error: unknown) => void
  /** Why the server cannot do its work now; undefined: it can. */
  readonly notReady: () => Promise<string | undefined>
}

/** What tokens are for, as the configuration has it. */
export interface ApiResource extends Target {
  readonly maxTtlSeconds: number
  readonly scopes: readonly string[]
}

/** Who did it, for the trail. */
export function actOf(caller: Caller): Act {
  const { actor, requestId, trace } = caller
  return { actor, requestId, trace }
}

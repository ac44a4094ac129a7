import { type Fact, type FactKind, isEpoch, type NumberedFact } from '../../src/revocation/fact.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { SpiffeId, type TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { hasAuthorityOf } from '../store/authorities.ts'
import { insertFacts } from '../store/revocation-facts.ts'
import type { WriteTx } from '../store/store.ts'

/** No access token lives longer, whatever its resource says. */
export const longestTokenSeconds = 3600
/** How long an SVID of another trust domain is taken to live: how long it does is not known here. */
const foreignSvidSeconds = 31 * 86_400
/** How long a broker may be away and hear all the same that an integration is shut, which it is for good. */
const brokerAwaySeconds = 31 * 86_400
/** By how much a verifier's clock may be behind. */
const skewSeconds = 60

/** What is to be revoked as of now. */
export interface Cause {
  readonly kind: FactKind
  readonly id: string
  /** The end of the one token that it is about. */
  readonly endsAt?: Date
  /** It is about a canary, which is nobody's business outside. */
  readonly canary?: boolean
}

/**
 * Writes the facts in the transaction of what has caused them; resolves with the number of the last. Nothing is
 * written where the trust domain has never had a key for access tokens.
 */
export type WriteFacts = (tx: WriteTx, causes: readonly Cause[]) => Promise<number>

export type TellFacts = (tx: Pick<WriteTx, 'db'>, facts: readonly NumberedFact[]) => Promise<void>

/**
 * `clock`: the time of facts, behind nothing that was issued. `proofSeconds`: what no SVID of the trust domain outlives, nor
 * what else proves somebody to be one of its workloads; facts of some kinds refuse such a proof too.
 */
export function factWriter(deps: {
  readonly clock: Pick<Clock, 'now'>
  readonly trustDomain: TrustDomain
  readonly proofSeconds: number
  /** Writes down, in the same transaction, what is to be told outside. */
  readonly told?: TellFacts | undefined
}): WriteFacts {
  return async (tx, causes) => {
    if (causes.length === 0 || !(await hasAuthorityOf(tx.db, 'oauth'))) return 0
    const now = Math.floor(deps.clock.now().getTime() / 1000)
    const facts = causes.map((cause) => factOf(cause, now, longestSvidOf(cause, deps)))
    const last = await insertFacts(tx, facts)
    const first = last - facts.length + 1
    const numbered = facts.map((fact, at) => ({ ...fact, number: first + at }))
    await deps.told?.(
      tx,
      numbered.filter((_, at) => causes[at]?.canary !== true),
    )
    return last
  }
}

const refusesSvids: ReadonlySet<FactKind> = new Set(['spiffe-id', 'entry', 'owner', 'node'])
const shutsIntegrations: ReadonlySet<FactKind> = new Set(['integration', 'owner'])

/** 0 where the fact refuses none. An entry says how long its next SVID lives, not how long those that are out do. */
function longestSvidOf(
  { kind, id }: Cause,
  own: { readonly trustDomain: TrustDomain; readonly proofSeconds: number },
): number {
  if (!refusesSvids.has(kind)) return 0
  const isForeign =
    kind === 'spiffe-id' && SpiffeId.trustDomainOf(id as SpiffeId) !== own.trustDomain
  return isForeign ? foreignSvidSeconds : own.proofSeconds
}

function factOf({ kind, id, endsAt }: Cause, now: number, svid: number): Fact {
  const away = shutsIntegrations.has(kind) ? brokerAwaySeconds : 0
  const end =
    endsAt === undefined
      ? now + Math.max(longestTokenSeconds, svid, away)
      : Math.ceil(endsAt.getTime() / 1000)
  const ends = end + skewSeconds
  // Whoever has a key writes what he likes into `iat`: what it signs is dead as long as anybody may believe it.
  const notBefore = kind === 'key' ? ends : isEpoch(kind) ? now : 0
  return { kind, id, notBefore, endsAt: ends }
}

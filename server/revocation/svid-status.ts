import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Fact } from '../../src/revocation/fact.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Revocations } from './revocations.ts'

/** An SVID that somebody proves himself with. */
export interface ShownSvid {
  readonly spiffeId: SpiffeId
  /** undefined where it does not say: it is older than any revocation then. */
  readonly issuedAt: Date | undefined
}

/**
 * The last second, since 1970, whose SVIDs are no proof any more, as their ID, an entry of their ID, the owner of one or
 * their node was revoked; undefined: there is none.
 */
export function svidsEndedUntil(
  revocations: Pick<Revocations, 'find'>,
  spiffeId: SpiffeId,
  entries: readonly Pick<Entry, 'id' | 'owner'>[],
): number | undefined {
  let until = laterOf(
    revocations.find('spiffe-id', spiffeId)?.notBefore,
    revocations.find('node', spiffeId)?.notBefore,
  )
  for (const { id, owner } of entries) {
    until = laterOf(until, revocations.find('entry', id)?.notBefore)
    until = laterOf(until, revocations.find('owner', owner)?.notBefore)
  }
  return until
}

function laterOf(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || (other !== undefined && other > one) ? other : one
}

/**
 * Refuses an SVID that `svidsEndedUntil` says to be ended. Whether its trust domain's authority is good still, the bundle
 * says, and SVIDs of a tainted one are replaced by themselves. Throws `unauthenticated` `svid-revoked`.
 */
export function checkSvid(
  revocations: Pick<Revocations, 'find'>,
  { spiffeId, issuedAt }: ShownSvid,
  entries: readonly Pick<Entry, 'id' | 'owner'>[],
): void {
  const issued = issuedAt === undefined ? Number.NEGATIVE_INFINITY : issuedAt.getTime() / 1000
  const until = svidsEndedUntil(revocations, spiffeId, entries)
  if (until === undefined || Math.floor(issued) > until) return
  throw new CountersignError('unauthenticated', 'the SVID is from before a revocation', {
    reason: 'svid-revoked',
    fix: 'ask the agent for a new one',
  })
}

/**
 * A token of this very second would be dead where it is issued: epochs are in whole seconds, as `iat` is. Throws
 * `unavailable` `revoked-this-second`, and `invalid` `subject-revoked` where waiting does not help.
 */
export function refuseBornDead(fact: Fact | undefined): void {
  if (fact === undefined) return
  if (fact.kind === 'token' || fact.kind === 'transaction') {
    throw new CountersignError('invalid', 'what this is issued for was revoked', {
      reason: 'subject-revoked',
    })
  }
  throw new CountersignError('unavailable', 'it was revoked in this second: ask in the next', {
    reason: 'revoked-this-second',
    retryAfterMs: 1000,
  })
}

import { CountersignError } from '../../../src/errors.ts'
import type { RevocationFeed } from '../../../src/revocation/feed-client.ts'
import type { Caller } from '../caller.ts'
import type { Integration } from '../settings.ts'

/** What revocations say. */
export interface Standing {
  /**
   * Throws `unavailable` `revocation-unknown` while what was revoked is not known; `forbidden` `integration-closed`;
   * `unauthenticated` `caller-revoked`.
   */
  check(integration: Integration, caller: Caller): void
  /** Whether a revocation of the integration, or of its owner, shuts it, unless it was opened again since. */
  isShut(integration: Integration): boolean
  /** Why the caller may go on with nothing; undefined: it may. */
  judge(caller: Caller): CountersignError | undefined
}

/** Where there is no feed everything stands. */
export function createStanding(
  feed: Pick<RevocationFeed, 'judge' | 'find' | 'fresh'> | undefined,
): Standing {
  const isShut = ({ id, audience, owner, reopenedAt }: Integration): boolean => {
    const openedAt = (reopenedAt?.getTime() ?? Number.NEGATIVE_INFINITY) / 1000
    const facts = [
      feed?.find('integration', audience),
      feed?.find('integration', id),
      feed?.find('owner', owner),
    ]
    return facts.some((fact) => fact !== undefined && fact.notBefore >= openedAt)
  }
  const judge = ({ shown }: Caller): CountersignError | undefined =>
    feed?.judge(shown.claims, shown.keyId) === undefined
      ? undefined
      : new CountersignError('unauthenticated', 'what the caller shows was revoked', {
          reason: 'caller-revoked',
        })
  return {
    isShut,
    judge,
    check(integration, caller) {
      if (isShut(integration)) {
        throw new CountersignError('forbidden', 'the integration has been shut by a revocation', {
          reason: 'integration-closed',
        })
      }
      const revoked = judge(caller)
      if (revoked !== undefined) throw revoked
      if (feed?.fresh() === false) throw revocationUnknown()
    },
  }
}

export function revocationUnknown(): CountersignError {
  return new CountersignError('unavailable', 'what was revoked is not known now', {
    reason: 'revocation-unknown',
    retryAfterMs: 1000,
  })
}

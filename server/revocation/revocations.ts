import type { TokenClaims } from '../../src/jwt/compact.ts'
import type { Fact, FactKind } from '../../src/revocation/fact.ts'
import { RevocationState } from '../../src/revocation/state.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { ChangeBatch } from '../changes/changes.ts'
import type { WriteFacts } from './write-facts.ts'

/** What was revoked, as of the last batch of the change log that was applied. */
export interface Revocations {
  /** The fact that ends a token of these claims; `keyId`: of the key that has signed it. */
  judge(claims: TokenClaims, keyId?: string): Fact | undefined
  /** The fact about just this. Of an epoch: what was issued in `notBefore` or before is dead. */
  find(kind: FactKind, id: string): Fact | undefined
  readonly size: number
  /** To be called inside the transaction of what causes the facts. */
  readonly write: WriteFacts
  apply(batch: Pick<ChangeBatch, 'facts'>): void
}

export function createRevocations(deps: {
  readonly clock: Pick<Clock, 'now'>
  readonly write: WriteFacts
}): Revocations {
  const state = new RevocationState()
  return {
    judge: (claims, keyId) => state.judge(claims, keyId),
    find: (kind, id) => state.find(kind, id),
    get size() {
      return state.size
    },
    write: deps.write,
    apply({ facts }) {
      state.drop(deps.clock.now())
      for (const fact of facts) state.apply(fact)
    },
  }
}

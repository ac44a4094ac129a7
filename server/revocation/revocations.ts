import type { TokenClaims } from '../../src/jwt/compact.ts'
import {
  emptyHead,
  type Fact,
  type FactKind,
  type Head,
  type NumberedFact,
} from '../../src/revocation/fact.ts'
import { RevocationState } from '../../src/revocation/state.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { timeAtLeast } from '../../src/runtime/time-at-least.ts'
import type { ChangeBatch } from '../changes/changes.ts'
import type { StoredFact } from '../store/revocation-facts.ts'
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
  /** Where the chain of facts stands. */
  readonly head: Head
  /** What came after this number, and the head at it; undefined where that is not known any more. */
  after(number: number): Continuation | undefined
  /** What came after this number, as far as it is remembered: the last 10,000 and more. */
  since(number: number): readonly NumberedFact[]
  /** All that have not ended, in no order. */
  all(): Iterable<Fact>
}

export interface Continuation {
  readonly prev: Head
  readonly facts: readonly NumberedFact[]
}

/** How many facts a reader of the feed may have missed and still be told them alone. */
const maxKept = 10_000

export function createRevocations(deps: {
  readonly clock: Pick<Clock, 'now' | 'monotonicMs'>
  readonly write: WriteFacts
}): Revocations {
  const state = new RevocationState()
  const time = timeAtLeast(deps.clock)
  let recent: readonly StoredFact[] = []
  let head: Head = emptyHead
  return {
    judge: (claims, keyId) => state.judge(claims, keyId),
    find: (kind, id) => state.find(kind, id),
    get size() {
      return state.size
    },
    write: deps.write,
    apply({ facts }) {
      state.drop(time())
      for (const fact of facts) state.apply(fact)
      const last = facts.at(-1)
      if (last === undefined) return
      recent = recent.concat(facts)
      // Seldom, so that it costs little for each fact.
      if (recent.length > 2 * maxKept) recent = recent.slice(-maxKept)
      head = { number: last.number, hash: last.hash }
    },
    get head() {
      return head
    },
    after(number) {
      if (number === head.number) return { prev: head, facts: [] }
      const at = recent.findLastIndex((fact) => fact.number === number)
      const fact = recent[at]
      if (fact === undefined) return undefined
      return { prev: { number, hash: fact.hash }, facts: recent.slice(at + 1) }
    },
    since: (number) => recent.filter((fact) => fact.number > number),
    all: () => state.facts(),
  }
}

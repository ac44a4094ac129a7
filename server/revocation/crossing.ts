import { isEpoch, type NumberedFact } from '../../src/revocation/fact.ts'
import { RevocationState } from '../../src/revocation/state.ts'

export interface Crossing extends Pick<RevocationState, 'judge' | 'size'> {
  add(facts: readonly NumberedFact[]): void
}

/**
 * For what was issued before these facts were known here: those that are epochs, as if each ended all that was ever
 * issued. By the second that such a fact names nobody would take for ended what crossed it on its way.
 */
export function crossing(facts: readonly NumberedFact[]): Crossing {
  const state = new RevocationState()
  const add = (more: readonly NumberedFact[]): void => {
    for (const { kind, id } of more) {
      if (isEpoch(kind)) state.apply({ kind, id, notBefore: Infinity, endsAt: Infinity })
    }
  }
  add(facts)
  return {
    add,
    judge: (claims, keyId) => state.judge(claims, keyId),
    get size() {
      return state.size
    },
  }
}

import { isEpoch, type NumberedFact } from '../../src/revocation/fact.ts'
import { RevocationState } from '../../src/revocation/state.ts'

/**
 * For what was issued before these facts were known here: those that are epochs, as if each ended all that was ever
 * issued. By the second that such a fact names nobody would take for ended what crossed it on its way.
 */
export function crossing(facts: readonly NumberedFact[]): Pick<RevocationState, 'judge' | 'size'> {
  const state = new RevocationState()
  for (const { kind, id } of facts) {
    if (isEpoch(kind)) state.apply({ kind, id, notBefore: Infinity, endsAt: Infinity })
  }
  return state
}

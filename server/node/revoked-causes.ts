import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { EntryIndex } from '../entry/index.ts'
import { causesOfIds } from '../revocation/ended-ids.ts'
import type { Cause } from '../revocation/write-facts.ts'

type Index = Pick<EntryIndex, 'agentsFor' | 'authorisedFor' | 'ofId'>

/** So many of one ID are looked at. */
const maxOfOneId = 1000

/** What ends with a node that is trusted no longer: whoever has it has the keys of all its SVIDs. */
export function causesOfBan(index: Index, id: SpiffeId): readonly Cause[] {
  const entries = [...index.authorisedFor(id).values()]
  return [
    { kind: 'node', id },
    ...entries.map((entry) => ({ kind: 'entry', id: entry.id }) as const),
    ...causesOfIds(entries),
  ]
}

/** What ends with a node that leaves: the entries that no other node has, and IDs that no other enabled entry carries. */
export function causesOfEviction(index: Index, id: SpiffeId): readonly Cause[] {
  const entries = [...index.authorisedFor(id).values()].filter(
    (entry) => index.agentsFor([entry.id]).size <= 1,
  )
  const alone = entries.filter(({ id: own, spiffeId }) =>
    index.ofId(spiffeId, maxOfOneId).every((one) => one.id === own || one.disabledAt !== undefined),
  )
  return [
    { kind: 'node', id },
    ...entries.map((entry) => ({ kind: 'entry', id: entry.id }) as const),
    ...causesOfIds(alone),
  ]
}

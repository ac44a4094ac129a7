import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { EntryIndex } from '../entry/index.ts'
import { causesOfShared } from '../revocation/shared-ids.ts'
import type { Cause } from '../revocation/write-facts.ts'

type Index = Pick<EntryIndex, 'agentsFor' | 'authorisedFor' | 'list'>

/** What ends with a node that is trusted no longer: whoever has it has the keys of all its SVIDs. */
export function causesOfBan(index: Index, id: SpiffeId): readonly Cause[] {
  const entries = [...index.authorisedFor(id).values()]
  return [
    { kind: 'node', id },
    ...entries.map((entry) => ({ kind: 'entry', id: entry.id }) as const),
    ...causesOfShared(entries, index),
  ]
}

/** What ends with a node that leaves: the entries that no other node has. */
export function causesOfEviction(index: Index, id: SpiffeId): readonly Cause[] {
  const entries = [...index.authorisedFor(id).keys()].filter(
    (entry) => index.agentsFor([entry]).size <= 1,
  )
  return [{ kind: 'node', id }, ...entries.map((entry) => ({ kind: 'entry', id: entry }) as const)]
}

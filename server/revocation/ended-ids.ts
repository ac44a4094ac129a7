import type { Entry } from '../../src/entry/entry.ts'
import type { Cause } from './write-facts.ts'

/** Whom an owner answers for. */
export interface OwnedLookup {
  readonly index: {
    /** Finds entries, at most `limit`. */
    list(filter: { readonly owner: string }, after: undefined, limit: number): readonly Entry[]
  }
  /** Workloads of other trust domains, which have no entry. */
  readonly foreignClients: { ofOwner(owner: string): readonly Entry[] }
}

/**
 * A token names the entry of its client alone: the first of several that carry its ID, and of what was passed on that of
 * whoever has done so. Where an entry ends for what it has done, so does whatever its ID has, or has passed on.
 */
export function causesOfIds(entries: readonly Pick<Entry, 'spiffeId'>[]): readonly Cause[] {
  const ids = new Set(entries.map(({ spiffeId }) => spiffeId))
  return Array.from(ids, (id) => ({ kind: 'spiffe-id', id }))
}

export function causesOfOwner(owner: string, lookup: OwnedLookup): readonly Cause[] {
  return causesOfIds([...entriesOf(owner, lookup), ...lookup.foreignClients.ofOwner(owner)])
}

/** What ends tokens where an owner is revoked and his entries are deleted. */
export function causesOfOffboarding(owner: string, lookup: OwnedLookup): readonly Cause[] {
  return [
    { kind: 'owner', id: owner },
    ...entriesOf(owner, lookup).map(({ id }) => ({ kind: 'entry', id }) as const),
    ...causesOfOwner(owner, lookup),
  ]
}

function entriesOf(owner: string, { index }: OwnedLookup): readonly Entry[] {
  return index.list({ owner }, undefined, Number.MAX_SAFE_INTEGER)
}

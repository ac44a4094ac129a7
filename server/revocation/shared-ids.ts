import type { Entry } from '../../src/entry/entry.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Cause } from './write-facts.ts'

/** Finds entries, at most `limit`. */
export interface EntryLookup {
  list(
    filter: { readonly owner: string } | { readonly spiffeId: SpiffeId },
    after: undefined,
    limit: number,
  ): readonly Entry[]
}

/**
 * A token names one entry alone, the first that carries its ID. Where several do, and one of these ends for what it has
 * done, so does whatever the ID has.
 */
export function causesOfShared(
  entries: readonly Pick<Entry, 'spiffeId'>[],
  index: EntryLookup,
): readonly Cause[] {
  const ids = new Set(entries.map(({ spiffeId }) => spiffeId))
  const shared = [...ids].filter((spiffeId) => index.list({ spiffeId }, undefined, 2).length > 1)
  return shared.map((id) => ({ kind: 'spiffe-id', id }))
}

export function causesOfOwner(owner: string, index: EntryLookup): readonly Cause[] {
  return causesOfShared(index.list({ owner }, undefined, Number.MAX_SAFE_INTEGER), index)
}

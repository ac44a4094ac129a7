import type { Entry } from '../../src/entry/entry.ts'
import type { Fact } from '../../src/revocation/fact.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Buckets } from './buckets.ts'

/**
 * The entries whose SVIDs these facts may end: all that carry an ID of which one is meant, since a client is known by
 * its ID alone.
 */
export function touchedBy(
  facts: Iterable<Pick<Fact, 'kind' | 'id'>>,
  entries: ReadonlyMap<string, Entry>,
  bySpiffeId: Pick<Buckets, 'of'>,
): ReadonlySet<Entry> {
  const ids = new Set<SpiffeId>()
  const owners = new Set<string>()
  for (const { kind, id } of facts) {
    if (kind === 'spiffe-id') ids.add(id as SpiffeId)
    if (kind === 'owner') owners.add(id)
    const entry = kind === 'entry' ? entries.get(id) : undefined
    if (entry !== undefined) ids.add(entry.spiffeId)
  }
  if (owners.size > 0) {
    for (const { owner, spiffeId } of entries.values()) if (owners.has(owner)) ids.add(spiffeId)
  }
  return new Set([...ids].flatMap((id) => [...bySpiffeId.of(id)]))
}

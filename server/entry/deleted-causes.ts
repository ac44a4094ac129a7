import type { Entry } from '../../src/entry/entry.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Cause } from '../revocation/write-facts.ts'
import type { RegistryDeps } from './batch.ts'

/** Of one ID; where there are more, none of a batch is the last. */
const maxOfOneId = 1000

/**
 * What ends with these entries: tokens by each of them, and with the last entry of an ID whatever the ID has, so that
 * an SVID of before proves nothing to the next who is registered under it.
 */
export function causesOf(
  deleted: readonly Entry[],
  { index, x509SvidTtlSeconds }: Pick<RegistryDeps, 'index' | 'x509SvidTtlSeconds'>,
): readonly Cause[] {
  const gone = new Set(deleted.map(({ id }) => id))
  const causes: Cause[] = []
  const ended = new Map<SpiffeId, number>()
  for (const entry of deleted) {
    const svidTtlSeconds = entry.x509SvidTtlSeconds || x509SvidTtlSeconds
    causes.push({ kind: 'entry', id: entry.id, svidTtlSeconds })
    ended.set(entry.spiffeId, Math.max(svidTtlSeconds, ended.get(entry.spiffeId) ?? 0))
  }
  for (const [id, svidTtlSeconds] of ended) {
    const all = index.ofId(id, maxOfOneId)
    if (all.length < maxOfOneId && all.every((entry) => gone.has(entry.id))) {
      causes.push({ kind: 'spiffe-id', id, svidTtlSeconds })
    }
  }
  return causes
}

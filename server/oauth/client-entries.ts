import type { Entry } from '../../src/entry/entry.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { EntryIndex } from '../entry/index.ts'
import { type ClientDoorDeps, maxEntries } from './client-door.ts'

/**
 * Finds the entries that are valid now: one that has expired makes nobody a client, though it is deleted up to some minutes
 * later.
 */
export function clientEntries(deps: {
  readonly index: Pick<EntryIndex, 'ofId'>
  readonly foreignClients: ReadonlyMap<SpiffeId, Entry>
  readonly clock: Pick<Clock, 'now'>
}): ClientDoorDeps['entriesOf'] {
  return (spiffeId) => {
    const foreign = deps.foreignClients.get(spiffeId)
    if (foreign !== undefined) return [foreign]
    const now = deps.clock.now()
    const found = deps.index.ofId(spiffeId, maxEntries + 1)
    // Of more than these some were not seen: they are too many, whether or not some have expired.
    if (found.length > maxEntries) return found
    return found.filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now)
  }
}

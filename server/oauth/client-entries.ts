import type { Clock } from '../../src/runtime/clock.ts'
import { isInForce } from '../entry/in-force.ts'
import type { EntryIndex } from '../entry/index.ts'
import { type ClientDoorDeps, maxEntries } from './client-door.ts'
import type { ForeignClients } from './open-foreign-clients.ts'

/**
 * Finds the entries that are in force now: one that is disabled makes nobody a client, nor one that has expired, though it
 * is deleted up to some minutes later.
 */
export function clientEntries(deps: {
  readonly index: Pick<EntryIndex, 'ofId'>
  readonly foreignClients: Pick<ForeignClients, 'get'>
  readonly clock: Pick<Clock, 'now'>
}): Pick<ClientDoorDeps, 'entriesOf' | 'disabledOf'> {
  const entriesOf: ClientDoorDeps['entriesOf'] = (spiffeId) => {
    const foreign = deps.foreignClients.get(spiffeId)
    if (foreign !== undefined) return [foreign]
    const now = deps.clock.now()
    const found = deps.index.ofId(spiffeId, maxEntries + 1)
    // Of more than these some were not seen: they are too many, whether or not all are in force.
    if (found.length > maxEntries) return found
    return found.filter((entry) => isInForce(entry, now))
  }
  const disabledOf: ClientDoorDeps['disabledOf'] = (spiffeId) =>
    deps.index.ofId(spiffeId, maxEntries + 1).filter(({ disabledAt }) => disabledAt !== undefined)
  return { entriesOf, disabledOf }
}

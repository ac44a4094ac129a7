import type { AuditEvent } from '../../src/audit/event.ts'
import { addressShare } from '../../src/mtls/admission.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { shareOf } from '../access/caller.ts'
import { createFloodRecord, createRoom, type FloodRecord } from '../access/flood-record.ts'
import { type RateLimit, RateLimiter } from '../access/limits.ts'

/**
 * Puts refused requests on record: of a flood a part, and how many were left out. A client that is known
 * has room of its own, and so has each address that an edge speaks for.
 */
export interface RefusalRecord {
  /** Resolves when it is on record, or left out. Throws as `append`. */
  note(denial: AuditEvent): Promise<void>
  readonly leftOut: FloodRecord['leftOut']
}

/** Of one client that is known. */
const known: RateLimit = { perSecond: 10, burst: 100 }
/** Of strangers, and of whoever comes by an edge: of one address and of all together. */
const byAddress = {
  each: { perSecond: 5, burst: 50 },
  all: { perSecond: 50, burst: 500 },
}

export function createRefusalRecord(deps: {
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
  readonly clock: Clock
}): RefusalRecord {
  const byClient = new RateLimiter(known, deps.clock)
  const hasRoom = createRoom(byAddress, deps.clock)
  const hasRoomByEdge = createRoom(byAddress, deps.clock)
  const record = createFloodRecord(deps.append)
  const fits = ({ actor: { id, address = '' }, reason, details = {} }: AuditEvent): boolean => {
    const { clientAddress } = details
    if (reason === 'rate-limited') return false
    if (typeof clientAddress === 'string') return hasRoomByEdge(addressShare(clientAddress))
    if (id !== undefined) return byClient.tryTake(id)
    return hasRoom(shareOf(address))
  }
  return {
    note: (denial) => record.note(denial, fits(denial)),
    get leftOut() {
      return record.leftOut
    },
  }
}

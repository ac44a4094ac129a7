import { randomUUID } from 'node:crypto'

/**
 * A new id for an entry: a UUIDv7 (RFC 9562 §5.7), whose beginning is the time, so that entries lie in
 * the order of their ids and a batch of them touches few pages of the table's index. The other 74 bits
 * are random: no two servers draw the same. An id is a name and no secret; what may be done with an
 * entry depends on who asks.
 */
export function newEntryId(now: Date): string {
  const time = Math.max(0, now.getTime()).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

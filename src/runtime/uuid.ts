import { randomUUID } from 'node:crypto'

/**
 * A UUIDv7 (RFC 9562 §5.7), whose beginning is the time, so that rows lie in the order of their ids and a batch of them
 * touches few pages of an index. The other 74 bits are random: no two servers draw the same.
 */
export function uuidV7(now: Date): string {
  const time = Math.max(0, now.getTime()).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

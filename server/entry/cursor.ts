import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { CountersignError } from '../../src/errors.ts'
import { canonicalFilter, type EntryFilter } from './filter.ts'

const maxPageSize = 1000
const maxUnpaged = 5000
const macBytes = 32
/** Agents are listed by their SPIFFE ID, which is longer than any entry's id (SPIFFE-ID §2.3). */
const maxPositionBytes = 2048
const maxTokenLength = Math.ceil(((macBytes + maxPositionBytes) * 4) / 3)

/**
 * The token of the next page: where the last one ended (the id of its last entry), sealed under this
 * server's key together with the filter, so that a caller can neither make one up nor go on with
 * another filter. URL-safe Base64.
 */
export function sealCursor(key: Uint8Array, filter: EntryFilter, lastId: string): string {
  return Buffer.concat([macOf(key, filter, lastId), Buffer.from(lastId)]).toString('base64url')
}

/** The id after which the page begins; undefined where the token is empty. Throws `invalid` / `page-token`. */
export function openCursor(
  key: Uint8Array,
  filter: EntryFilter,
  token: string,
): string | undefined {
  if (token === '') return undefined
  const bytes = Buffer.from(token.slice(0, maxTokenLength), 'base64url')
  const lastId = bytes.subarray(macBytes).toString()
  const genuine =
    token.length <= maxTokenLength &&
    bytes.length > macBytes &&
    timingSafeEqual(bytes.subarray(0, macBytes), macOf(key, filter, lastId))
  if (!genuine) {
    throw new CountersignError(
      'invalid',
      'the page token is not one that this server gave for this filter',
      { reason: 'page-token', fix: 'begin again with the first page' },
    )
  }
  return lastId
}

function macOf(key: Uint8Array, filter: EntryFilter, lastId: string): Buffer {
  const filterHash = createHash('sha256').update(canonicalFilter(filter)).digest()
  return createHmac('sha256', key).update(filterHash).update(lastId).digest()
}

/**
 * How many items a page holds. Clients that ask for no pages (0) expect everything at once and do
 * not look for a next page: they get as much as fits into a message that they accept. Throws
 * `invalid` / `page-size` where negative.
 */
export function pageSizeOf(asked: number | undefined): number {
  if (asked === undefined || asked === 0) return maxUnpaged
  if (!Number.isInteger(asked) || asked < 0) {
    throw new CountersignError('invalid', 'the page size is negative', { reason: 'page-size' })
  }
  return Math.min(asked, maxPageSize)
}

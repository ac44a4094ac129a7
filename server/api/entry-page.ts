import type { Entry } from '../../src/entry/entry.ts'
import { openCursor, pageSizeOf, sealCursor } from '../entry/cursor.ts'
import type { EntryFilter } from '../entry/filter.ts'
import type { ApiDeps } from './deps.ts'
import { fittingPage, sizeOfEntry } from './message-size.ts'

/** One page of the list. Throws `invalid` (`page-token`, `page-size`). */
export function listPage(
  { index, cursorKey }: Pick<ApiDeps, 'index' | 'cursorKey'>,
  filter: EntryFilter,
  asked: { readonly page_size: number; readonly page_token: string },
): { readonly entries: readonly Entry[]; readonly nextPageToken: string } {
  const size = pageSizeOf(asked.page_size)
  const after = openCursor(cursorKey, filter, asked.page_token)
  const found = index.list(filter, after, size + 1)
  const entries = fittingPage(found.slice(0, size), sizeOfEntry)
  const last = found.length > entries.length ? entries.at(-1) : undefined
  return {
    entries,
    nextPageToken: last === undefined ? '' : sealCursor(cursorKey, filter, last.id),
  }
}

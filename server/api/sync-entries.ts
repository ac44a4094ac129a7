import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { entryToWire, maskEntry, secondsOf } from '../../src/rpc/convert.ts'
import type { SyncAuthorizedEntriesRequest } from '../../src/rpc/gen/spire/api/server/entry/v1/SyncAuthorizedEntriesRequest.ts'
import type { SyncAuthorizedEntriesResponse$Input } from '../../src/rpc/gen/spire/api/server/entry/v1/SyncAuthorizedEntriesResponse.ts'
import type { EntryMask } from '../../src/rpc/gen/spire/api/types/EntryMask.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { fittingPage, sizeOfEntry } from './message-size.ts'
import { nextRequest } from './next-request.ts'

/** Entries in one message, and up to how many are sent whole at once: SPIRE's own number. */
const pageSize = 500

/**
 * How SPIRE's agents poll. Few entries, and not too large, come whole. Of many, each one's id and revision comes first,
 * in pages, and the agent then asks by id for those that it does not hold as they are; each such
 * request is answered from the state of the beginning. Throws `invalid`: `sync-first-request`,
 * `sync-ids`.
 */
export async function* syncEntries(
  clock: Clock,
  authorised: () => ReadonlyMap<string, Entry>,
  requests: AsyncIterable<SyncAuthorizedEntriesRequest>,
): AsyncGenerator<SyncAuthorizedEntriesResponse$Input> {
  const incoming = requests[Symbol.asyncIterator]()
  const first = await nextRequest(clock, incoming)
  if (first.done === true) return
  const { output_mask: mask, ids } = first.value
  checkFirst(mask, ids)
  const entries = authorised()
  const all = [...entries.values()]
  if (pageAt(all, 0).length === all.length) {
    yield { entries: all.map((entry) => maskEntry(entryToWire(entry), mask)) }
    return
  }
  for (const { items, more } of pagesOf(all)) {
    yield { entry_revisions: items.map(revisionOf), more }
  }
  let asked = 0
  for (;;) {
    const request = await nextRequest(clock, incoming)
    if (request.done === true) return
    asked += request.value.ids.length
    checkAsked(asked, entries.size)
    for (const { items, more } of pagesOf(found(entries, request.value.ids))) {
      yield { entries: items.map((entry) => maskEntry(entryToWire(entry), mask)), more }
    }
  }
}

function checkFirst(mask: EntryMask | null, ids: readonly string[]): void {
  const problem =
    ids.length > 0
      ? 'specifying IDs on initial request is not supported'
      : mask !== null && !mask.revision_number
        ? 'revision number cannot be masked'
        : undefined
  if (problem !== undefined) {
    throw new CountersignError('invalid', problem, { reason: 'sync-first-request' })
  }
}

/** One stream tells of each entry once: to ask for more than there are has no use but to keep us busy. */
function checkAsked(asked: number, count: number): void {
  if (asked <= count) return
  throw new CountersignError('invalid', 'the stream asks for more entries than there are', {
    reason: 'sync-ids',
  })
}

function found(entries: ReadonlyMap<string, Entry>, ids: readonly string[]): readonly Entry[] {
  return [...new Set(ids)].sort().flatMap((id) => entries.get(id) ?? [])
}

/** At least one page, so that nothing found is an answer too. */
function* pagesOf(
  entries: readonly Entry[],
): Generator<{ items: readonly Entry[]; more: boolean }> {
  let end = 0
  do {
    const items = pageAt(entries, end)
    end += items.length
    yield { items, more: end < entries.length }
  } while (end < entries.length)
}

function pageAt(entries: readonly Entry[], at: number): readonly Entry[] {
  return fittingPage(entries.slice(at, at + pageSize), sizeOfEntry)
}

function revisionOf(entry: Entry): {
  readonly id: string
  readonly revision_number: number
  readonly created_at: string
} {
  return {
    id: entry.id,
    revision_number: entry.revision,
    created_at: secondsOf(entry.createdAt),
  }
}

import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { entryToWire, maskEntry } from '../../src/rpc/convert.ts'
import {
  allEntryFields,
  entryFieldsFromWire,
  entryMaskFromWire,
} from '../../src/rpc/convert-input.ts'
import type { BatchCreateEntryRequest } from '../../src/rpc/gen/spire/api/server/entry/v1/BatchCreateEntryRequest.ts'
import type { BatchDeleteEntryRequest } from '../../src/rpc/gen/spire/api/server/entry/v1/BatchDeleteEntryRequest.ts'
import type { BatchUpdateEntryRequest } from '../../src/rpc/gen/spire/api/server/entry/v1/BatchUpdateEntryRequest.ts'
import type { CountEntriesRequest } from '../../src/rpc/gen/spire/api/server/entry/v1/CountEntriesRequest.ts'
import type { GetAuthorizedEntriesRequest } from '../../src/rpc/gen/spire/api/server/entry/v1/GetAuthorizedEntriesRequest.ts'
import type { GetEntryRequest } from '../../src/rpc/gen/spire/api/server/entry/v1/GetEntryRequest.ts'
import type { ListEntriesRequest } from '../../src/rpc/gen/spire/api/server/entry/v1/ListEntriesRequest.ts'
import type { SyncAuthorizedEntriesRequest } from '../../src/rpc/gen/spire/api/server/entry/v1/SyncAuthorizedEntriesRequest.ts'
import type { EntryMask } from '../../src/rpc/gen/spire/api/types/EntryMask.ts'
import { bidiStream, type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { itemStatus } from '../../src/rpc/status.ts'
import type { Caller } from '../access/caller.ts'
import type { ItemResult } from '../entry/batch.ts'
import { type ApiDeps, actOf } from './deps.ts'
import { filterFromWire } from './entry-filter.ts'
import { listPage } from './entry-page.ts'
import { roomInAnswer, sizeOfEntry } from './message-size.ts'
import { syncEntries } from './sync-entries.ts'

type Deps = Pick<ApiDeps, 'index' | 'registry' | 'cursorKey' | 'clock'>

/** spire.api.server.entry.v1.Entry */
export function entryHandlers(deps: Deps): Record<string, RpcHandler<Caller>> {
  const { index, registry } = deps
  return {
    CountEntries: unary(({ filter }: CountEntriesRequest) => ({
      count: index.count(filterFromWire(filter)),
    })),
    ListEntries: unary((request: ListEntriesRequest) => {
      const page = listPage(deps, filterFromWire(request.filter), request)
      return {
        entries: page.entries.map((entry) => maskEntry(entryToWire(entry), request.output_mask)),
        next_page_token: page.nextPageToken,
      }
    }),
    GetEntry: unary((request: GetEntryRequest) =>
      maskEntry(entryToWire(requireEntry(index.get(request.id))), request.output_mask),
    ),
    BatchCreateEntry: unary(async (request: BatchCreateEntryRequest, { caller, signal }) => {
      const { results } = await registry.createEntries(request.entries.map(entryFieldsFromWire), {
        ...actOf(caller),
        signal,
      })
      return { results: results.map(itemToWire(request.output_mask)) }
    }),
    BatchUpdateEntry: unary(async (request: BatchUpdateEntryRequest, { caller, signal }) => {
      const { results } = await registry.updateEntries(request.entries.map(entryFieldsFromWire), {
        ...actOf(caller),
        // What this API's messages have no room for, such as the owner, is not touched.
        mask: entryMaskFromWire(request.input_mask) ?? allEntryFields,
        signal,
      })
      return { results: results.map(itemToWire(request.output_mask)) }
    }),
    BatchDeleteEntry: unary(async ({ ids }: BatchDeleteEntryRequest, { caller, signal }) => {
      const { results } = await registry.deleteEntries(ids, { ...actOf(caller), signal })
      return {
        results: results.map(({ error }, at) => ({ status: itemStatus(error), id: ids[at] ?? '' })),
      }
    }),
    GetAuthorizedEntries: unary((request: GetAuthorizedEntriesRequest, { caller }) => ({
      entries:
        caller.id === undefined
          ? []
          : [...index.authorisedFor(caller.id).values()].map((entry) =>
              maskEntry(entryToWire(entry), request.output_mask),
            ),
    })),
    SyncAuthorizedEntries: bidiStream(
      (requests: AsyncIterable<SyncAuthorizedEntriesRequest>, { caller }) =>
        syncEntries(
          deps.clock,
          () => (caller.id === undefined ? new Map() : index.authorisedFor(caller.id)),
          requests,
        ),
    ),
  }
}

/**
 * A duplicate is answered with the entry that is there already, as clients of this API expect; of one that
 * the answer has no room for its id.
 */
function itemToWire(mask: EntryMask | null) {
  const hasRoom = roomInAnswer()
  return ({ entry, error, existing }: ItemResult): object => {
    const shown = entry ?? existing
    return {
      status: itemStatus(error),
      ...(shown !== undefined && {
        entry: hasRoom(sizeOfEntry(shown)) ? maskEntry(entryToWire(shown), mask) : { id: shown.id },
      }),
    }
  }
}

/** Throws `not-found` / `entry-not-found`. */
export function requireEntry(entry: Entry | undefined): Entry {
  if (entry !== undefined) return entry
  throw new CountersignError('not-found', 'there is no entry with this id', {
    reason: 'entry-not-found',
    fix: 'see which there are with: countersign entry list',
  })
}

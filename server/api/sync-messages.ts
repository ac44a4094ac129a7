import type { Entry } from '../../src/entry/entry.ts'
import { bundleToWire, entryToWire } from '../../src/rpc/convert.ts'
import type { GoodFrom$Input } from '../../src/rpc/gen/countersign/sync/v1/GoodFrom.ts'
import type { Update$Input } from '../../src/rpc/gen/countersign/sync/v1/Update.ts'
import type { Bundle$Input } from '../../src/rpc/gen/spire/api/types/Bundle.ts'
import type { Entry$Input } from '../../src/rpc/gen/spire/api/types/Entry.ts'
import type { FollowerGroup } from '../entry/follower.ts'
import { sizeOfBundle, sizeOfEntry } from './message-size.ts'

/** Of one message, roughly: some milliseconds of work for whoever makes or reads it. */
const chunkBytes = 1 << 15

interface Chunk {
  readonly bundles: Bundle$Input[]
  readonly removed_trust_domains: string[]
  readonly entries: Entry$Input[]
  readonly removed_entry_ids: string[]
  readonly good_from: GoodFrom$Input[]
}

interface Item {
  /** Roughly. */
  readonly bytes: number
  addTo(chunk: Chunk): void
}

/**
 * The group in messages of bounded size, however many entries and bundles it has; `more` on all but the
 * last. Only a single item may be larger than a message is to be.
 */
export function* messagesOf(
  group: FollowerGroup,
  logId: string,
  goodFrom: (entry: Entry) => GoodFrom$Input | undefined,
): Generator<Update$Input> {
  const base = { log_id: logId, position: group.position, snapshot: group.snapshot }
  const chunks = chunksOf(group, goodFrom)
  let chunk = chunks.next()
  while (!chunk.done) {
    const next = chunks.next()
    yield { ...base, ...chunk.value, more: !next.done }
    chunk = next
  }
}

/** Each is made when the one before is on its way: nobody else waits for all of them. */
function* chunksOf(...of: Parameters<typeof itemsOf>): Generator<Chunk, void, void> {
  let chunk = emptyChunk()
  let size = 0
  for (const { bytes, addTo } of itemsOf(...of)) {
    if (size > 0 && size + bytes > chunkBytes) {
      yield chunk
      chunk = emptyChunk()
      size = 0
    }
    size += bytes
    addTo(chunk)
  }
  yield chunk
}

function emptyChunk(): Chunk {
  return {
    ...{ bundles: [], removed_trust_domains: [] },
    ...{ entries: [], removed_entry_ids: [], good_from: [] },
  }
}

function* itemsOf(
  group: FollowerGroup,
  goodFrom: (entry: Entry) => GoodFrom$Input | undefined,
): Generator<Item, void, void> {
  for (const bundle of group.bundles) {
    yield {
      bytes: sizeOfBundle(bundle),
      addTo: ({ bundles }) => bundles.push(bundleToWire(bundle)),
    }
  }
  for (const name of group.removedTrustDomains) {
    yield { bytes: name.length + 4, addTo: (chunk) => chunk.removed_trust_domains.push(name) }
  }
  for (const entry of group.entries) {
    yield {
      bytes: sizeOfEntry(entry),
      addTo({ entries, good_from }) {
        entries.push(entryToWire(entry))
        good_from.push(...[goodFrom(entry) ?? []].flat())
      },
    }
  }
  for (const id of group.removedEntryIds) {
    yield { bytes: id.length + 4, addTo: (chunk) => chunk.removed_entry_ids.push(id) }
  }
}

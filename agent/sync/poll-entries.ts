import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { secondsOf } from '../../src/rpc/convert.ts'
import type { EntryRevision } from '../../src/rpc/gen/spire/api/server/entry/v1/EntryRevision.ts'
import type { SyncAuthorizedEntriesRequest$Input } from '../../src/rpc/gen/spire/api/server/entry/v1/SyncAuthorizedEntriesRequest.ts'
import type { SyncAuthorizedEntriesResponse } from '../../src/rpc/gen/spire/api/server/entry/v1/SyncAuthorizedEntriesResponse.ts'
import type { Entry as WireEntry } from '../../src/rpc/gen/spire/api/types/Entry.ts'
import { broken, maxItems } from './received.ts'

/** An open `SyncAuthorizedEntries`. */
export interface EntryStream {
  send(request: SyncAuthorizedEntriesRequest$Input): void
  readonly responses: AsyncIterable<SyncAuthorizedEntriesResponse>
}

/**
 * All entries of this node. A server with few sends them whole; one with many sends revisions, in
 * pages, and is asked for those that are not `known` as they are. `read` gives undefined for an entry
 * that cannot be used. Throws what the server answers, `unavailable` / `sync-ended`, and `invalid` /
 * `sync-too-much`.
 */
export async function syncEntries(
  stream: EntryStream,
  known: (id: string) => Entry | undefined,
  read: (wire: WireEntry) => Entry | undefined,
): Promise<readonly Entry[]> {
  const pages = stream.responses[Symbol.asyncIterator]()
  const entries: Entry[] = []
  const take = (wires: readonly WireEntry[]): void => {
    for (const wire of wires) {
      const entry = read(wire)
      if (entry !== undefined) entries.push(entry)
    }
    checkCount(entries.length)
  }
  try {
    stream.send({})
    const first = await nextOf(pages)
    if (first.entry_revisions.length === 0) {
      take(first.entries)
      return entries
    }
    const lacking: string[] = []
    for (let page = first; ; page = await nextOf(pages)) {
      for (const revision of page.entry_revisions) {
        const entry = known(revision.id)
        if (entry !== undefined && isAsKnown(entry, revision)) entries.push(entry)
        else lacking.push(revision.id)
      }
      checkCount(entries.length + lacking.length)
      if (!page.more) break
    }
    // The server's own size of a page is what it answers in one message.
    const size = first.entry_revisions.length
    for (let at = 0; at < lacking.length; at += size) {
      stream.send({ ids: lacking.slice(at, at + size) })
      for (let more = true; more; ) {
        const page = await nextOf(pages)
        take(page.entries)
        more = page.more
      }
    }
    return entries
  } finally {
    await pages.return?.()
  }
}

/** The time of creation tells an entry from one that was deleted and made anew under its id. */
function isAsKnown(entry: Entry, revision: EntryRevision): boolean {
  const { revision_number, created_at } = revision
  return (
    String(entry.revision) === revision_number &&
    // Older servers do not say it.
    (created_at === '0' || secondsOf(entry.createdAt) === created_at)
  )
}

function checkCount(count: number): void {
  if (count > maxItems) throw broken('sync-too-much', 'the server sends too much at once')
}

async function nextOf(
  pages: AsyncIterator<SyncAuthorizedEntriesResponse>,
): Promise<SyncAuthorizedEntriesResponse> {
  const next = await pages.next()
  if (next.done !== true) return next.value
  throw new CountersignError('unavailable', 'the server ended the stream', {
    reason: 'sync-ended',
  })
}

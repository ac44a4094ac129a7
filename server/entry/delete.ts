import type { Entry } from '../../src/entry/entry.ts'
import { deleteEntries, loadEntries } from '../store/entries.ts'
import {
  type BatchOptions,
  type BatchResult,
  commitBatch,
  draftOf,
  missingItem,
  type RegistryDeps,
} from './batch.ts'
import { entryEvent } from './record.ts'

/** `only` narrows it down to the entries of which that still holds within the write; the reason goes on record. */
export interface DeleteOptions extends BatchOptions {
  readonly only?: ((entry: Entry) => boolean) | undefined
  readonly reason?: string | undefined
}

export async function deleteBatch(
  deps: RegistryDeps,
  ids: readonly string[],
  options: DeleteOptions,
): Promise<BatchResult> {
  const now = deps.clock.now()
  const draft = draftOf(ids)
  return commitBatch(deps, draft, options, async (tx) => {
    const rows = await loadEntries(tx.db, ids)
    const doomed = new Map(
      rows.filter((entry) => options.only?.(entry) ?? true).map((entry) => [entry.id, entry]),
    )
    const deleted = await deleteEntries(tx, [...doomed.keys()])
    // An id that the batch names twice is there for the first item only.
    const left = new Set(deleted)
    for (const [at, id] of ids.entries()) {
      const entry = left.delete(id) ? doomed.get(id) : undefined
      draft[at] = entry === undefined ? missingItem() : { entry, warnings: [] }
    }
    return [...deleted].flatMap((id) => {
      const entry = doomed.get(id)
      return entry === undefined
        ? []
        : [entryEvent('entry.deleted', entry, options, now, options.reason)]
    })
  })
}

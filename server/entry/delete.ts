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
import { causesOf } from './ended-causes.ts'
import { entryEvent, refusedRowEvent } from './record.ts'

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
    // A row that was refused cannot be read, but an operator can be rid of it.
    const unread = options.only === undefined ? ids.filter((id) => !doomed.has(id)) : []
    const deleted = await deleteEntries(tx, [...doomed.keys(), ...unread])
    await deps.writeFacts(tx, await causesOf([...doomed.values()], tx, deps))
    // An id that the batch names twice is there for the first item only.
    const left = new Set(deleted)
    for (const [at, id] of ids.entries()) {
      draft[at] = left.delete(id) ? { entry: doomed.get(id), warnings: [] } : missingItem()
    }
    return [...deleted].map((id) => {
      const entry = doomed.get(id)
      if (entry !== undefined)
        return entryEvent('entry.deleted', entry, options, now, options.reason)
      return refusedRowEvent(id, options, now)
    })
  })
}

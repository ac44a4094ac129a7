import type { Entry } from '../../src/entry/entry.ts'
import { problemOfText } from '../../src/entry/selector.ts'
import { CountersignError } from '../../src/errors.ts'
import { loadEntries, updateEntries } from '../store/entries.ts'
import {
  type BatchOptions,
  type BatchResult,
  commitBatch,
  draftOf,
  isAborted,
  missingItem,
  type RegistryDeps,
} from './batch.ts'
import { causesOf } from './ended-causes.ts'
import { entryEvent } from './record.ts'
import { wholeSeconds } from './rules.ts'

const maxReasonBytes = 256

export interface SwitchOptions extends BatchOptions {
  /** Goes on record. */
  readonly reason?: string | undefined
}

/** What ends with an entry that is deleted ends with one that is disabled, too; the entry itself stays. */
export function disableBatch(
  deps: RegistryDeps,
  ids: readonly string[],
  options: SwitchOptions,
): Promise<BatchResult> {
  return switchBatch(deps, ids, options, 'entry.disabled', wholeSeconds(deps.clock.now()))
}

/** What ended stays dead: what is issued by the entry from now on is good. */
export function enableBatch(
  deps: RegistryDeps,
  ids: readonly string[],
  options: SwitchOptions,
): Promise<BatchResult> {
  return switchBatch(deps, ids, options, 'entry.enabled', undefined)
}

async function switchBatch(
  deps: RegistryDeps,
  ids: readonly string[],
  options: SwitchOptions,
  kind: 'entry.disabled' | 'entry.enabled',
  disabledAt: Date | undefined,
): Promise<BatchResult> {
  const { reason } = options
  checkReason(reason)
  const now = deps.clock.now()
  const draft = draftOf(ids)
  return commitBatch(deps, draft, options, async (tx) => {
    const rows = new Map((await loadEntries(tx.db, ids)).map((entry) => [entry.id, entry]))
    const changed = new Map<string, Entry>()
    for (const [at, id] of ids.entries()) {
      const row = rows.get(id)
      if (row === undefined) {
        draft[at] = missingItem()
        continue
      }
      // One that is as it should be stays as it is: nothing happens, since when it is so least of all.
      const isSo = (row.disabledAt === undefined) === (disabledAt === undefined)
      const entry = isSo ? row : Object.freeze({ ...row, disabledAt, revision: row.revision + 1 })
      if (!isSo) changed.set(id, entry)
      draft[at] = { entry, warnings: [] }
    }
    if (isAborted(draft, options)) return []
    await updateEntries(tx, [...changed.values()])
    if (disabledAt !== undefined) {
      await deps.writeFacts(tx, await causesOf([...changed.values()], tx, deps))
    }
    return Array.from(changed.values(), (entry) => entryEvent(kind, entry, options, now, reason))
  })
}

function checkReason(reason = ''): void {
  const problem = problemOfText(reason, maxReasonBytes)
  if (problem === undefined) return
  throw new CountersignError('invalid', `the reason ${problem}`, { reason: 'entry-reason' })
}

import type { Entry } from '../../src/entry/entry.ts'
import { problemOfText } from '../../src/entry/selector.ts'
import { CountersignError } from '../../src/errors.ts'
import { wholeSeconds } from '../../src/runtime/instant.ts'
import type { Cause } from '../revocation/write-facts.ts'
import { loadEntries, updateEntries } from '../store/entries.ts'
import { revokedKeys } from '../store/revoked-keys.ts'
import type { WriteTx } from '../store/store.ts'
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
  return switchBatch(deps, ids, options, {
    kind: 'entry.disabled',
    switched: (entry, now) =>
      entry.disabledAt === undefined ? { disabledAt: wholeSeconds(now) } : undefined,
    causesOf: (entries, tx) => causesOf(entries, tx, deps),
  })
}

/** What ended stays dead: what is issued by the entry from now on is good. */
export function enableBatch(
  deps: RegistryDeps,
  ids: readonly string[],
  options: SwitchOptions,
): Promise<BatchResult> {
  return switchBatch(deps, ids, options, {
    kind: 'entry.enabled',
    switched: ({ disabledAt }) =>
      disabledAt === undefined ? undefined : { disabledAt: undefined },
    causesOf: async () => [],
  })
}

interface Switch {
  readonly kind: 'entry.disabled' | 'entry.enabled'
  /** What becomes of an entry; undefined: it is as it should be, and stays so. */
  switched(entry: Entry, now: Date): Pick<Entry, 'disabledAt'> | undefined
  causesOf(entries: readonly Entry[], tx: WriteTx): Promise<readonly Cause[]>
}

async function switchBatch(
  deps: RegistryDeps,
  ids: readonly string[],
  options: SwitchOptions,
  { kind, switched, causesOf }: Switch,
): Promise<BatchResult> {
  const { reason } = options
  checkReason(reason)
  const draft = draftOf(ids)
  return commitBatch(deps, draft, options, async (tx) => {
    // Not before: the write may have waited for others, and the facts are of this moment.
    const now = deps.clock.now()
    const rows = new Map((await loadEntries(tx.db, ids)).map((entry) => [entry.id, entry]))
    const keyless = kind === 'entry.enabled' ? await revokedKeys(tx.db, ids) : new Map()
    const changed = new Map<string, Entry>()
    for (const [at, id] of ids.entries()) {
      const row = rows.get(id)
      if (row === undefined) {
        draft[at] = missingItem()
        continue
      }
      const change = switched(row, now)
      const entry =
        change === undefined
          ? row
          : Object.freeze({ ...row, ...change, revision: row.revision + 1 })
      if (change !== undefined) changed.set(id, entry)
      const warnings = change === undefined ? [wasSo(kind, id)] : []
      draft[at] = { entry, warnings: keyless.has(id) ? [...warnings, keyStays(id)] : warnings }
    }
    if (isAborted(draft, options)) return []
    const entries = [...changed.values()]
    await updateEntries(tx, entries)
    await deps.writeFacts(tx, await causesOf(entries, tx))
    return entries.map((entry) => entryEvent(kind, entry, options, now, reason))
  })
}

/** Whoever gave a reason would look for it in the trail in vain. */
function wasSo(kind: Switch['kind'], id: string): string {
  const state = kind === 'entry.disabled' ? 'disabled' : 'enabled'
  return `${id} was ${state} before: nothing is changed, or put on record`
}

function keyStays(id: string): string {
  return `the key of ${id} was revoked, and stays so: remove the caller, and add it with another key`
}

function checkReason(reason = ''): void {
  const problem = problemOfText(reason, maxReasonBytes)
  if (problem === undefined) return
  throw new CountersignError('invalid', `the reason ${problem}`, {
    reason: 'entry-reason',
    fix: `write one line of at most ${maxReasonBytes} bytes`,
  })
}

import type { Entry } from '../../src/entry/entry.ts'
import { insertEntries, loadEntries } from '../store/entries.ts'
import { naturalKey } from '../store/entry-body.ts'
import {
  type BatchOptions,
  type BatchResult,
  checkItem,
  commitBatch,
  type Draft,
  draftOf,
  duplicateItem,
  isEntry,
  type RegistryDeps,
  ruleContext,
} from './batch.ts'
import type { EntryInput } from './entry-input.ts'
import type { EntryIndex } from './index.ts'
import { entryEvent } from './record.ts'
import { checkEntry } from './rules.ts'
import { warningsFor } from './warnings.ts'

interface Plan {
  /** What is to be inserted, by the position of its item. */
  readonly wanted: ReadonlyMap<number, Entry>
  /** From the position of an item to that of an earlier one that it is like. */
  readonly repeats: ReadonlyMap<number, number>
}

export async function createBatch(
  deps: RegistryDeps,
  inputs: readonly EntryInput[],
  options: BatchOptions,
): Promise<BatchResult> {
  const now = deps.clock.now()
  const draft = draftOf(inputs)
  const { wanted, repeats } = plan(deps, inputs, now, draft)
  return commitBatch(deps, draft, options, async (tx) => {
    const entries = [...wanted.values()]
    const { inserted, conflicts } = await insertEntries(tx, entries)
    const inTheWay = await loadEntries(tx.db, [...conflicts.values()])
    const existing = new Map(inTheWay.map((entry) => [entry.id, entry]))
    const warnings = warner(deps.index, entries)
    for (const [at, entry] of wanted) {
      const other = conflicts.get(entry.id)
      draft[at] =
        other === undefined
          ? { entry, warnings: warnings(entry) }
          : duplicateItem(other, existing.get(other))
    }
    for (const [at, first] of repeats) {
      const like = draft[first]
      draft[at] = duplicateItem(
        like?.entry?.id ?? like?.existingId ?? '',
        like?.entry ?? like?.existing,
      )
    }
    return inserted.map((entry) => entryEvent('entry.created', entry, options, now))
  })
}

/** Checks each item by the rules, and against those before it. */
function plan(deps: RegistryDeps, inputs: readonly EntryInput[], now: Date, draft: Draft): Plan {
  const context = ruleContext(deps, now)
  const wanted = new Map<number, Entry>()
  const repeats = new Map<number, number>()
  const firstOf = new Map<string, number>()
  for (const [at, input] of inputs.entries()) {
    const checked = checkItem(() => checkEntry(input, context))
    if (!isEntry(checked)) {
      draft[at] = checked
      continue
    }
    const key = `key ${naturalKey(checked)}`
    const id = `id ${checked.id}`
    const first = firstOf.get(key) ?? firstOf.get(id)
    if (first === undefined) {
      wanted.set(at, checked)
      firstOf.set(key, at)
      firstOf.set(id, at)
    } else {
      repeats.set(at, first)
    }
  }
  return { wanted, repeats }
}

/** Warns of an entry, given that the others of its batch are there as well. */
export function warner(
  index: EntryIndex,
  batch: readonly Entry[],
): (entry: Entry) => readonly string[] {
  const ids = new Set(batch.map((entry) => entry.spiffeId))
  return (entry) => warningsFor(entry, { knowsId: (id) => ids.has(id) || index.knowsId(id) })
}

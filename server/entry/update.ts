import type { AuditEvent } from '../../src/audit/event.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { causesOfIds } from '../revocation/ended-ids.ts'
import { lastChange } from '../store/changes.ts'
import { loadEntries, updateEntries } from '../store/entries.ts'
import { naturalKey } from '../store/entry-body.ts'
import type { WriteTx } from '../store/store.ts'
import {
  type BatchOptions,
  type BatchResult,
  checkItem,
  commitBatch,
  type Draft,
  draftOf,
  duplicateItem,
  isAborted,
  isEntry,
  missingItem,
  type RegistryDeps,
  refusedItem,
  ruleContext,
} from './batch.ts'
import { warner } from './create.ts'
import { causesOf } from './ended-causes.ts'
import type { EntryInput } from './entry-input.ts'
import { entryEvent } from './record.ts'
import { checkEntry } from './rules.ts'

/** A field that an update may replace. */
export type EntryField = Exclude<keyof EntryInput, 'id' | 'disabled'>

/** The new values of the entry with this `id`. A field that is replaced and absent gets its default. */
export type EntryUpdate = Partial<EntryInput>

export interface UpdateOptions extends BatchOptions {
  /** The fields that are replaced; undefined: all of them. */
  readonly mask?: ReadonlySet<EntryField> | undefined
}

/** How often a batch is tried where others keep claiming what it wants. */
const maxTries = 3

export async function updateBatch(
  deps: RegistryDeps,
  updates: readonly EntryUpdate[],
  options: UpdateOptions,
): Promise<BatchResult> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await tryBatch(deps, updates, options)
    } catch (error) {
      if (tries === maxTries || !isRace(error)) throw error
      // With an index as new as the rows, the item in question is refused alone.
      await deps.changes.reached(await lastChange(deps.store.db), options.signal)
    }
  }
}

function isRace(error: unknown): boolean {
  return error instanceof CountersignError && error.reason === 'entry-exists'
}

async function tryBatch(
  deps: RegistryDeps,
  updates: readonly EntryUpdate[],
  options: UpdateOptions,
): Promise<BatchResult> {
  const now = deps.clock.now()
  const draft = draftOf(updates)
  refuseRepeated(updates, draft)
  return commitBatch(deps, draft, options, async (tx) => {
    const { changed, renamed, moved } = await planUpdates(deps, tx, updates, options, now, draft)
    if (isAborted(draft, options)) return []
    await updateEntries(tx, [...changed.values()])
    // Whoever had the ID of before has it no longer: as if that entry had been deleted. Nor has the node of before, which
    // may be banned next: that takes what it has by then.
    await deps.writeFacts(tx, [
      ...(await causesOf(renamed, tx, deps)),
      ...moved.map(({ id }) => ({ kind: 'entry', id }) as const),
      ...causesOfIds(moved),
    ])
    const warnings = warner(deps.index, [...changed.values()])
    const events: AuditEvent[] = []
    for (const [at, entry] of changed) {
      draft[at] = { entry, warnings: warnings(entry) }
      events.push(entryEvent('entry.updated', entry, options, now))
    }
    return events
  })
}

/** Which of two updates of one entry should win, nobody can say. */
function refuseRepeated(updates: readonly EntryUpdate[], draft: Draft): void {
  const seen = new Set<string>()
  for (const [at, { id = '' }] of updates.entries()) {
    if (seen.has(id)) {
      draft[at] = refusedItem(
        new CountersignError('invalid', 'the batch names this entry twice', {
          reason: 'entry-repeated',
        }),
      )
    }
    seen.add(id)
  }
}

/**
 * The entries as they are to be, by the position of their item, and those that get another parent, or else another
 * SPIFFE ID, as they were; what is refused goes to the draft.
 */
async function planUpdates(
  deps: RegistryDeps,
  tx: WriteTx,
  updates: readonly EntryUpdate[],
  options: UpdateOptions,
  now: Date,
  draft: Draft,
): Promise<{
  readonly changed: ReadonlyMap<number, Entry>
  readonly renamed: readonly Entry[]
  readonly moved: readonly Entry[]
}> {
  const ids = updates.flatMap(({ id = '' }) => (id === '' ? [] : [id]))
  const rows = new Map((await loadEntries(tx.db, ids)).map((entry) => [entry.id, entry]))
  const changed = new Map<number, Entry>()
  const movers = new Map<number, Entry>()
  for (const [at, update] of updates.entries()) {
    if (draft[at] !== undefined) continue
    const current = rows.get(update.id ?? '')
    if (current === undefined) {
      draft[at] = missingItem()
      continue
    }
    const checked = checkItem(() =>
      checkEntry(merge(current, update, options.mask), ruleContext(deps, now, current)),
    )
    if (!isEntry(checked)) draft[at] = checked
    else if (naturalKey(checked) === naturalKey(current)) changed.set(at, checked)
    else movers.set(at, checked)
  }
  for (const [at, entry] of await admitMovers(deps, tx, movers, draft)) changed.set(at, entry)
  const renamed: Entry[] = []
  const moved: Entry[] = []
  for (const { id, spiffeId, parentId } of changed.values()) {
    const before = rows.get(id)
    if (before === undefined) continue
    if (before.parentId !== parentId) moved.push(before)
    else if (before.spiffeId !== spiffeId) renamed.push(before)
  }
  return { changed, renamed, moved }
}

/** Lets an entry get another SPIFFE ID, parent or selectors only where no other is like that. */
async function admitMovers(
  { index }: RegistryDeps,
  tx: WriteTx,
  movers: ReadonlyMap<number, Entry>,
  draft: Draft,
): Promise<ReadonlyMap<number, Entry>> {
  // The index may lag behind the rows: what it finds is looked at again in the transaction. What it
  // misses, the table's own constraint refuses, with the whole batch.
  const suspects = [...movers.values()].flatMap((entry) => index.find(entry)?.id ?? [])
  const taken = new Map<string, Entry>()
  for (const row of await loadEntries(tx.db, suspects)) taken.set(naturalKey(row), row)
  const admitted = new Map<number, Entry>()
  const claimed = new Map<string, string>()
  for (const [at, entry] of movers) {
    const key = naturalKey(entry)
    const existing = taken.get(key)
    const other = existing?.id ?? claimed.get(key)
    if (other !== undefined) {
      draft[at] = duplicateItem(other, existing)
      continue
    }
    claimed.set(key, entry.id)
    admitted.set(at, entry)
  }
  return admitted
}

function merge(
  current: Entry,
  update: EntryUpdate,
  mask: ReadonlySet<EntryField> | undefined,
): EntryInput {
  const chosen =
    mask === undefined
      ? update
      : { ...current, ...Object.fromEntries([...mask].map((field) => [field, update[field]])) }
  // A field that is replaced by nothing is refused by its rule.
  return {
    ...chosen,
    spiffeId: chosen.spiffeId ?? '',
    parentId: chosen.parentId ?? '',
    selectors: chosen.selectors ?? [],
  }
}

import type { Entry, Selector } from '../../src/entry/entry.ts'
import { selectorKey, sortSelectors } from '../../src/entry/selector.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Need, WorkloadUpdate } from './updates.ts'
import { type Difference, differenceOf } from './workload-update.ts'

/** One stream, and what it was told last. */
export interface Reader {
  readonly need: Need
  readonly deliver: (update: WorkloadUpdate) => void
  told: WorkloadUpdate | undefined
}

/** All streams of workloads with one and the same set of selectors: matched and computed once. */
export interface Group {
  readonly key: string
  readonly selectors: readonly Selector[]
  readonly selectorKeys: ReadonlySet<string>
  readonly readers: Set<Reader>
  /** How many of the readers need SVIDs. */
  svidReaders: number
  /** What matches, in order. */
  entries: readonly Entry[]
  update: WorkloadUpdate | undefined
  /** Whether every entry has its SVID. */
  complete: boolean
  /** Whether waiting for the missing SVIDs has taken long enough. */
  overdue: boolean
  waiting: AbortController | undefined
}

// Attestors give the same array for the same process where they can.
const knownKeys = new WeakMap<readonly Selector[], string>()

/** One string for one set of selectors, and never the same for two, whatever their values hold. */
export function groupKey(selectors: readonly Selector[]): string {
  let key = knownKeys.get(selectors)
  if (key === undefined) {
    key = sortSelectors(selectors)
      .map(({ type, value }) => `${type.length}:${type}${value.length}:${value}`)
      .join('')
    knownKeys.set(selectors, key)
  }
  return key
}

export function newGroup(key: string, selectors: readonly Selector[]): Group {
  return {
    key,
    selectors,
    selectorKeys: new Set(selectors.map(selectorKey)),
    readers: new Set(),
    svidReaders: 0,
    entries: [],
    update: undefined,
    complete: false,
    overdue: false,
    waiting: undefined,
  }
}

/** The groups that matched one of these entries before, or match it now. */
export function concernedBy(
  entries: ReadonlyMap<string, Entry | undefined>,
  groups: Iterable<Group>,
): Group[] {
  return [...groups].filter(
    (group) =>
      group.entries.some((entry) => entries.has(entry.id)) ||
      [...entries.values()].some((entry) => entry !== undefined && matches(group, entry)),
  )
}

/** Whether a workload of this group matches the entry. */
function matches(group: Group, entry: Entry): boolean {
  return (
    entry.selectors.length > 0 &&
    entry.selectors.every((selector) => group.selectorKeys.has(selectorKey(selector)))
  )
}

/** Bounds how long a group's messages are held back for SVIDs that do not come. */
export function boundWait(group: Group, clock: Clock, maxMs: number): void {
  const isMissing = group.svidReaders > 0 && !group.complete && !group.overdue
  if (!isMissing) {
    group.waiting?.abort()
    group.waiting = undefined
    return
  }
  if (group.waiting !== undefined) return
  const waiting = new AbortController()
  group.waiting = waiting
  clock.sleep(maxMs, waiting.signal).then(
    () => {
      group.waiting = undefined
      group.overdue = true
      deliver(group)
    },
    () => undefined,
  )
}

/** Gives the group's update to those of these readers of it whom it concerns. */
export function deliver(group: Group, readers: Iterable<Reader> = group.readers): void {
  const { update } = group
  if (update === undefined) return
  // Readers were mostly told the same thing, so that one comparison does for all.
  let compared: { told: WorkloadUpdate; need: Need; difference: Difference } | undefined
  for (const reader of readers) {
    const { told, need } = reader
    if (told !== undefined && (compared?.told !== told || compared.need !== need)) {
      compared = { told, need, difference: differenceOf(told, update, need) }
    }
    const difference = told === undefined ? 'addition' : (compared?.difference ?? 'none')
    const ready = need === 'bundles' || group.complete || group.overdue
    if (difference === 'none' || (difference === 'addition' && !ready)) continue
    reader.told = update
    reader.deliver(update)
  }
}

interface Load {
  readonly readers: number
  readonly groups: number
}

export function loadOf(groups: readonly Group[]): Load {
  const readers = groups.reduce((sum, group) => sum + group.readers.size, 0)
  return { readers, groups: groups.length }
}

import type { Entry } from '../../src/entry/entry.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { ChangeBatch } from '../changes/changes.ts'
import { agentsAbove, agentsOnceAbove, type Forest } from './forest.ts'

/**
 * What an agent has to be told: some entries are new to it or have changed, some are no longer its
 * own; or so much moved above its entries that its authorised set is to be compared whole. Agents
 * with the same news get the same object, so that it can be encoded once.
 */
export type AgentNews =
  | 'recompute'
  | { readonly upserts: readonly Entry[]; readonly removals: readonly string[] }

/** What the index remembers of a batch that it applied. */
export interface Applied {
  /** The changed entries as they were before; without those that are new. */
  readonly before: ReadonlyMap<string, Entry>
  /** Agents that changed themselves, or whose aliases did. */
  readonly agents: ReadonlySet<SpiffeId>
  /** Entries that are as they were, and of which there is something to be told all the same. */
  readonly touched: ReadonlySet<Entry>
}

interface Change {
  readonly id: string
  readonly before: Entry | undefined
  readonly after: Entry | undefined
}

/** Which of the connected agents a batch concerns, after it was applied to the forest. */
export function agentsConcernedBy(
  forest: Forest,
  batch: ChangeBatch,
  applied: Applied,
  connected: ReadonlySet<SpiffeId>,
  now: Date,
): Map<SpiffeId, AgentNews> {
  const news = new Map<SpiffeId, AgentNews>()
  for (const id of applied.agents) if (connected.has(id)) news.set(id, 'recompute')
  if (news.size === connected.size) return news

  const changes = changesOf(forest, batch, applied, now)
  const moved = movedParents(forest, changes, now)
  const above = remembering((id: SpiffeId) => agentsAbove(forest, id, connected, now))
  const wereAbove = remembering((id: SpiffeId) => agentsOnceAbove(forest, id, connected))
  for (const { before, after } of moved) {
    for (const entry of [before, after]) {
      if (entry === undefined) continue
      for (const id of wereAbove(entry.parentId)) news.set(id, 'recompute')
    }
  }
  tell(
    news,
    changes.filter((change) => !moved.has(change)),
    above,
    wereAbove,
  )
  return news
}

/** Aliases are not among anyone's entries, and what has expired or is disabled counts as gone. */
function changesOf(
  forest: Forest,
  batch: ChangeBatch,
  { before, touched }: Applied,
  now: Date,
): readonly Change[] {
  const changes: Change[] = []
  const unlessAlias = (entry: Entry | undefined): Entry | undefined =>
    entry?.parentId === forest.server ? undefined : entry
  for (const [id, entry] of batch.entries) {
    const after = unlessAlias(entry)
    const change: Change = {
      id,
      before: unlessAlias(before.get(id)),
      after: after !== undefined && forest.isActive(after, now) ? after : undefined,
    }
    if (change.before !== undefined || change.after !== undefined) changes.push(change)
  }
  for (const entry of touched) {
    const same = unlessAlias(entry)
    if (same === undefined || batch.entries.has(entry.id) || !forest.isActive(same, now)) continue
    changes.push({ id: entry.id, before: same, after: same })
  }
  return changes
}

/**
 * The changes that move others: an entry with entries below it came, went or hangs elsewhere now.
 * Whoever lost or gained something by them stands above the topmost such entry, in the tree as it is
 * now: nothing further up has moved.
 */
function movedParents(forest: Forest, changes: readonly Change[], now: Date): ReadonlySet<Change> {
  const parentsBefore = new Set(changes.map(({ before }) => before?.parentId))
  const isParent = (entry: Entry | undefined): boolean =>
    entry !== undefined &&
    (forest.byParent.has(entry.spiffeId) || parentsBefore.has(entry.spiffeId))
  const stayed = ({ before, after }: Change): boolean =>
    before !== undefined &&
    after !== undefined &&
    before.spiffeId === after.spiffeId &&
    before.parentId === after.parentId &&
    forest.isActive(before, now)
  return new Set(
    changes.filter(
      (change) => !stayed(change) && (isParent(change.before) || isParent(change.after)),
    ),
  )
}

/** The changes that concern the same set of agents. */
interface Group {
  readonly agents: ReadonlySet<SpiffeId>
  readonly upserts: Entry[]
  readonly removals: string[]
}

function tell(
  news: Map<SpiffeId, AgentNews>,
  changes: readonly Change[],
  above: (id: SpiffeId) => ReadonlySet<SpiffeId>,
  wereAbove: (id: SpiffeId) => ReadonlySet<SpiffeId>,
): void {
  const groups = new Map<ReadonlySet<SpiffeId>, Group>()
  const groupOf = (agents: ReadonlySet<SpiffeId>): Group => {
    const group = groups.get(agents) ?? { agents, upserts: [], removals: [] }
    groups.set(agents, group)
    return group
  }
  const left = new Map<string, ReadonlySet<SpiffeId>>()
  for (const { id, before, after } of changes) {
    if (after !== undefined) groupOf(above(after.parentId)).upserts.push(after)
    if (before === undefined || before.parentId === after?.parentId) continue
    const key = `${before.parentId} ${after?.parentId ?? ''}`
    let losers = left.get(key)
    if (losers === undefined) {
      const had = wereAbove(before.parentId)
      const have = after === undefined ? undefined : above(after.parentId)
      losers = have === undefined ? had : new Set([...had].filter((agent) => !have.has(agent)))
      left.set(key, losers)
    }
    groupOf(losers).removals.push(id)
  }
  share(news, [...groups.values()])
}

/** Gives each agent the news of all groups that it is in, and one object to all that are in the same groups. */
function share(news: Map<SpiffeId, AgentNews>, groups: readonly Group[]): void {
  const numbersOf = new Map<SpiffeId, number[]>()
  for (const [number, { agents }] of groups.entries()) {
    for (const id of agents) {
      if (news.get(id) === 'recompute') continue
      const numbers = numbersOf.get(id)
      if (numbers === undefined) numbersOf.set(id, [number])
      else numbers.push(number)
    }
  }
  const shared = new Map<string, AgentNews>()
  for (const [id, numbers] of numbersOf) {
    const key = numbers.join()
    let item = shared.get(key)
    if (item === undefined) {
      const members = numbers.map((number) => groups[number] as Group)
      item = {
        upserts: members.flatMap((group) => group.upserts),
        removals: members.flatMap((group) => group.removals),
      }
      shared.set(key, item)
    }
    news.set(id, item)
  }
}

function remembering<K, V>(compute: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>()
  return (key) => {
    let value = known.get(key)
    if (value === undefined) {
      value = compute(key)
      known.set(key, value)
    }
    return value
  }
}

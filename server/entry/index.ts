import type { Entry } from '../../src/entry/entry.ts'
import { sortSelectors } from '../../src/entry/selector.ts'
import type { Fact } from '../../src/revocation/fact.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { ChangeBatch } from '../changes/changes.ts'
import type { AgentRecord } from '../store/records.ts'
import { type AgentNews, type Applied, agentsConcernedBy } from './concerned.ts'
import { expiredBy } from './expiry.ts'
import { type EntryFilter, matcherOf } from './filter.ts'
import { agentsAbove, authorisedFor, createForest, isAuthorised } from './forest.ts'
import { sameSelectors } from './nodes.ts'
import { OrderedIds } from './order.ts'
import { touchedBy } from './touched.ts'

/** Up to this many candidates are sorted for a page; among more, the page is looked for in the order of all. */
const maxSorted = 1024

/**
 * All entries and agents in memory, as of the last batch of the change log that was applied. Answers
 * at once and from one state; an entry that has expired or is disabled counts for nothing but lists and `get`.
 */
export interface EntryIndex {
  readonly size: number
  apply(batch: ChangeBatch): void
  get(id: string): Entry | undefined
  agent(id: SpiffeId): AgentRecord | undefined
  /** All agents, banned ones too, in no order. */
  agents(): readonly AgentRecord[]
  /** The entry that is similar to this one: the same SPIFFE ID, parent and selectors. */
  find(entry: Pick<Entry, 'spiffeId' | 'parentId' | 'selectors'>): Entry | undefined
  /** At most `limit` entries in the order of their ids, from the first after `after` on. */
  list(filter: EntryFilter, after: string | undefined, limit: number): Entry[]
  /** At most `limit` of those that carry this ID, in the order of their ids. */
  ofId(id: SpiffeId, limit: number): readonly Entry[]
  count(filter: EntryFilter): number
  /** Every entry that the agent may get SVIDs for, by id; empty for an agent that is banned or unknown. */
  authorisedFor(agentId: SpiffeId): ReadonlyMap<string, Entry>
  /** The entry, where the agent may get SVIDs for it. */
  isAuthorised(agentId: SpiffeId, entryId: string): Entry | undefined
  /** Whether the agent would get SVIDs for the entry were that not disabled. */
  isDisabledFor(agentId: SpiffeId, entryId: string): boolean
  /** All agents that may get SVIDs for at least one of these entries. */
  agentsFor(entryIds: Iterable<string>): ReadonlySet<SpiffeId>
  /** The entries whose SVIDs these facts may end. */
  touchedBy(facts: Iterable<Pick<Fact, 'kind' | 'id'>>): ReadonlySet<Entry>
  /** What a batch that was applied means for each of the agents that are connected; absent: nothing. */
  agentsConcernedBy(
    batch: ChangeBatch,
    connected: ReadonlySet<SpiffeId>,
  ): ReadonlyMap<SpiffeId, AgentNews>
  /** What an SVID of this ID may do here beside being an identity, by the entries that carry the ID. */
  rightsOf(id: SpiffeId): { readonly admin: boolean; readonly downstream: boolean }
  /** Whether the ID is the server's, an agent's or an entry's. */
  knowsId(id: SpiffeId): boolean
  /** Ids of entries that have expired. */
  expired(now: Date): string[]
}

export function createEntryIndex(options: {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
}): EntryIndex {
  const { clock } = options
  const forest = createForest(options.trustDomain)
  const { byParent, bySpiffeId, nodes } = forest
  const entries = new Map<string, Entry>()
  const order = new OrderedIds(entries)
  const applied = new WeakMap<ChangeBatch, Omit<Applied, 'touched'>>()

  /** Puts or removes one entry; answers what was there before. */
  const replace = (id: string, entry: Entry | undefined): Entry | undefined => {
    const before = entries.get(id)
    if (before !== undefined && before.spiffeId !== entry?.spiffeId) {
      bySpiffeId.delete(before.spiffeId, id)
    }
    if (before !== undefined && before.parentId !== entry?.parentId) {
      byParent.delete(before.parentId, id)
    }
    if (entry === undefined) {
      if (entries.delete(id)) order.delete(id)
      return before
    }
    if (before === undefined) order.add(id)
    entries.set(id, entry)
    bySpiffeId.put(entry.spiffeId, entry)
    byParent.put(entry.parentId, entry)
    return before
  }

  /** The entries that can pass the filter, where less than all have to be looked at. */
  const candidates = ({ id, spiffeId, parentId }: EntryFilter): Iterable<Entry> | undefined => {
    if (id !== undefined) return [entries.get(id) ?? []].flat()
    const byId = spiffeId === undefined ? Infinity : bySpiffeId.countOf(spiffeId)
    const below = parentId === undefined ? Infinity : byParent.countOf(parentId)
    if (spiffeId !== undefined && byId <= below) return bySpiffeId.of(spiffeId)
    return parentId === undefined ? undefined : byParent.of(parentId)
  }

  const list: EntryIndex['list'] = (filter, after, limit) => {
    const passes = matcherOf(filter)
    const page: Entry[] = []
    const ids = smallSet(candidates(filter), after) ?? order.after(after)
    for (const id of ids) {
      if (page.length >= limit) break
      const entry = entries.get(id)
      if (entry !== undefined && passes(entry)) page.push(entry)
    }
    return page
  }

  return {
    get size() {
      return entries.size
    },
    apply(batch) {
      const before = new Map<string, Entry>()
      const aliases: { gone: Entry[]; put: Entry[] } = { gone: [], put: [] }
      for (const [id, entry] of batch.entries) {
        const was = replace(id, entry)
        if (was !== undefined) before.set(id, was)
        noteAlias(aliases, forest.server, was, entry)
      }
      applied.set(batch, { before, agents: nodes.apply(batch.agents, aliases) })
    },
    get: (id) => entries.get(id),
    agent: (id) => nodes.get(id),
    agents: () => [...nodes.all()],
    find({ spiffeId, parentId, selectors }) {
      const wanted = sortSelectors(selectors)
      for (const entry of candidates({ spiffeId, parentId }) ?? []) {
        const near = entry.spiffeId === spiffeId && entry.parentId === parentId
        if (near && sameSelectors(entry.selectors, wanted)) return entry
      }
      return undefined
    },
    list,
    ofId: (id, limit) =>
      // Most IDs are of one entry, of which there is nothing to choose.
      bySpiffeId.countOf(id) > 1
        ? list({ spiffeId: id }, undefined, limit)
        : [...bySpiffeId.of(id)],
    count(filter) {
      if (Object.values(filter).every((part) => part === undefined)) return entries.size
      const passes = matcherOf(filter)
      let count = 0
      for (const entry of candidates(filter) ?? entries.values()) if (passes(entry)) count += 1
      return count
    },
    authorisedFor: (agentId) => authorisedFor(forest, agentId, clock.now()),
    isAuthorised(agentId, entryId) {
      const entry = entries.get(entryId)
      return entry !== undefined && isAuthorised(forest, agentId, entry, clock.now())
        ? entry
        : undefined
    },
    isDisabledFor(agentId, entryId) {
      const entry = entries.get(entryId)
      if (entry?.disabledAt === undefined) return false
      return isAuthorised(forest, agentId, { ...entry, disabledAt: undefined }, clock.now())
    },
    agentsFor(entryIds) {
      const now = clock.now()
      const parents = new Set<SpiffeId>()
      for (const id of entryIds) {
        const entry = entries.get(id)
        if (entry !== undefined && forest.isActive(entry, now)) parents.add(entry.parentId)
      }
      const found = new Set<SpiffeId>()
      for (const parent of parents) {
        for (const id of agentsAbove(forest, parent, everyone, now)) found.add(id)
      }
      return found
    },
    agentsConcernedBy(batch, connected) {
      if (connected.size === 0) return new Map()
      const memory = applied.get(batch)
      if (memory === undefined) return new Map([...connected].map((id) => [id, 'recompute']))
      const touched = touchedBy(batch.facts, entries, bySpiffeId)
      return agentsConcernedBy(forest, batch, { ...memory, touched }, connected, clock.now())
    },
    touchedBy: (facts) => touchedBy(facts, entries, bySpiffeId),
    rightsOf(id) {
      const now = clock.now()
      let admin = false
      let downstream = false
      for (const entry of bySpiffeId.of(id)) {
        if (!forest.isActive(entry, now)) continue
        admin ||= entry.admin
        downstream ||= entry.downstream
      }
      return { admin, downstream }
    },
    knowsId: (id) => id === forest.server || nodes.get(id) !== undefined || bySpiffeId.has(id),
    expired: (now) => expiredBy(entries.values(), now),
  }
}

const everyone = { has: () => true }

/** Notes an alias that came, went, or applies to others than before. */
function noteAlias(
  aliases: { readonly gone: Entry[]; readonly put: Entry[] },
  server: SpiffeId,
  before: Entry | undefined,
  after: Entry | undefined,
): void {
  const was = before?.parentId === server ? before : undefined
  const is = after?.parentId === server ? after : undefined
  if (was !== undefined && is !== undefined && sameAlias(was, is)) return
  if (was !== undefined) aliases.gone.push(was)
  if (is !== undefined) aliases.put.push(is)
}

function sameAlias(a: Entry, b: Entry): boolean {
  return (
    a.spiffeId === b.spiffeId &&
    a.expiresAt?.getTime() === b.expiresAt?.getTime() &&
    a.disabledAt?.getTime() === b.disabledAt?.getTime() &&
    sameSelectors(a.selectors, b.selectors)
  )
}

/** The sorted ids after `after`, where the candidates are few enough to sort them for one page. */
function smallSet(
  candidates: Iterable<Entry> | undefined,
  after: string | undefined,
): string[] | undefined {
  if (candidates === undefined) return undefined
  const ids: string[] = []
  for (const { id } of candidates) {
    if (ids.length === maxSorted) return undefined
    ids.push(id)
  }
  return ids.filter((id) => after === undefined || id > after).sort()
}

import type { Entry } from '../../src/entry/entry.ts'
import { serverId } from '../../src/spiffe-id/reserved.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { Buckets } from './buckets.ts'
import { isInForce } from './in-force.ts'
import { Nodes } from './nodes.ts'

/**
 * The entries as the parent tree that they form: an entry hangs below every entry, agent or alias
 * whose ID is its parent ID. Nothing keeps the tree from having cycles; each walk sees an ID once.
 */
export interface Forest {
  readonly server: SpiffeId
  readonly byParent: Buckets
  readonly bySpiffeId: Buckets
  readonly nodes: Nodes
  /** Whether an entry counts at this time: it is in force, and its ID is one for a workload of this trust domain. */
  isActive(entry: Entry, now: Date): boolean
}

export function createForest(trustDomain: TrustDomain): Forest {
  const own = `spiffe://${trustDomain}/`
  const reserved = `${own}spire/`
  return {
    server: serverId(trustDomain),
    byParent: new Buckets(),
    bySpiffeId: new Buckets(),
    nodes: new Nodes(),
    isActive: (entry, now) =>
      isInForce(entry, now) &&
      // The rules let nothing else in. Were it there all the same, an agent's own ID in an entry
      // would hand that agent's workloads to another.
      entry.spiffeId.startsWith(own) &&
      !entry.spiffeId.startsWith(reserved),
  }
}

/** The IDs below which an agent's entries hang: its own and those of its aliases. Empty where it has no rights. */
function rootsOf({ nodes, isActive }: Forest, agentId: SpiffeId, now: Date): SpiffeId[] {
  if (nodes.active(agentId) === undefined) return []
  const aliases = nodes.aliasesOf(agentId).filter((alias) => isActive(alias, now))
  return [agentId, ...aliases.map((alias) => alias.spiffeId)]
}

/** Every entry that the agent is authorised for, by id. */
export function authorisedFor(forest: Forest, agentId: SpiffeId, now: Date): Map<string, Entry> {
  const found = new Map<string, Entry>()
  const waiting = rootsOf(forest, agentId, now)
  const seen = new Set<SpiffeId>([forest.server, ...waiting])
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    for (const entry of forest.byParent.of(id)) {
      if (!forest.isActive(entry, now)) continue
      found.set(entry.id, entry)
      if (seen.has(entry.spiffeId)) continue
      seen.add(entry.spiffeId)
      waiting.push(entry.spiffeId)
    }
  }
  return found
}

/** Whether the entry is among those that `authorisedFor` finds; looks at its ancestors only. */
export function isAuthorised(forest: Forest, agentId: SpiffeId, entry: Entry, now: Date): boolean {
  if (!forest.isActive(entry, now)) return false
  // As most are.
  if (entry.parentId === agentId) return forest.nodes.active(agentId) !== undefined
  const roots = new Set(rootsOf(forest, agentId, now))
  if (roots.size === 0) return false
  for (const id of ancestorsOf(forest, entry.parentId, (parent) => forest.isActive(parent, now))) {
    if (roots.has(id)) return true
  }
  return false
}

/** The ID itself, and each parent ID above it, once. */
function* ancestorsOf(
  { server, bySpiffeId }: Forest,
  id: SpiffeId,
  counts: (entry: Entry) => boolean,
): Generator<SpiffeId> {
  const seen = new Set<SpiffeId>([server, id])
  const waiting = id === server ? [] : [id]
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    yield at
    for (const entry of bySpiffeId.of(at)) {
      if (seen.has(entry.parentId) || !counts(entry)) continue
      seen.add(entry.parentId)
      waiting.push(entry.parentId)
    }
  }
}

interface Agents {
  has(id: SpiffeId): boolean
}

/** The agents, among those asked about, that are authorised for what hangs below this ID. */
export function agentsAbove(forest: Forest, id: SpiffeId, among: Agents, now: Date): Set<SpiffeId> {
  return findAgents(forest, id, among, (entry) => forest.isActive(entry, now))
}

/**
 * As `agentsAbove`, but entries that have expired or are disabled count: the agents that may hold what hangs below
 * this ID. Rather one too many than one too few.
 */
export function agentsOnceAbove(forest: Forest, id: SpiffeId, among: Agents): Set<SpiffeId> {
  return findAgents(forest, id, among, () => true)
}

function findAgents(
  forest: Forest,
  id: SpiffeId,
  among: Agents,
  counts: (entry: Entry) => boolean,
): Set<SpiffeId> {
  const { nodes, bySpiffeId, server } = forest
  const found = new Set<SpiffeId>()
  for (const at of ancestorsOf(forest, id, counts)) {
    if (among.has(at) && nodes.active(at) !== undefined) found.add(at)
    for (const alias of bySpiffeId.of(at)) {
      if (alias.parentId !== server || !counts(alias)) continue
      for (const agentId of nodes.agentsOf(alias.id)) {
        if (among.has(agentId)) found.add(agentId)
      }
    }
  }
  return found
}

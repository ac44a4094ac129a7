import type { Entry, Selector } from '../../src/entry/entry.ts'
import { SelectorMatcher } from '../../src/entry/match.ts'
import { compareSelectors } from '../../src/entry/selector.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { AgentRecord } from '../store/records.ts'

const noEntries: readonly Entry[] = []
const noAgents: ReadonlySet<SpiffeId> = new Set()

/**
 * The agents that are known, and which aliases each answers to. An alias is an entry whose parent is
 * the server and whose selectors are all among those of the node.
 */
export class Nodes {
  readonly #agents = new Map<SpiffeId, AgentRecord>()
  readonly #aliases = new SelectorMatcher<Entry>()
  readonly #aliasesOf = new Map<SpiffeId, readonly Entry[]>()
  readonly #agentsOf = new Map<string, Set<SpiffeId>>()

  /** The agent, where it has any rights: it is known and not banned. */
  active(id: SpiffeId): AgentRecord | undefined {
    const agent = this.#agents.get(id)
    return agent?.banned === false ? agent : undefined
  }

  get(id: SpiffeId): AgentRecord | undefined {
    return this.#agents.get(id)
  }

  all(): Iterable<AgentRecord> {
    return this.#agents.values()
  }

  ids(): Iterable<SpiffeId> {
    return this.#agents.keys()
  }

  /** The alias entries that apply to the agent, those included that have expired or are disabled. */
  aliasesOf(id: SpiffeId): readonly Entry[] {
    return this.#aliasesOf.get(id) ?? noEntries
  }

  /** The agents that an alias entry applies to. */
  agentsOf(aliasId: string): ReadonlySet<SpiffeId> {
    return this.#agentsOf.get(aliasId) ?? noAgents
  }

  /**
   * Takes over changed agents (undefined: gone) and changed alias entries, and answers which agents'
   * rights may be others now.
   */
  apply(
    agents: ReadonlyMap<SpiffeId, AgentRecord | undefined>,
    aliases: { readonly gone: readonly Entry[]; readonly put: readonly Entry[] },
  ): Set<SpiffeId> {
    const affected = this.#applyAliases(aliases)
    for (const [id, agent] of agents) {
      const before = this.#agents.get(id)
      if (agent === undefined) this.#agents.delete(id)
      else this.#agents.set(id, agent)
      if (before === undefined || agent === undefined || !sameRights(before, agent)) {
        affected.add(id)
      }
    }
    for (const id of affected) this.#assignAliases(id)
    return affected
  }

  #applyAliases(aliases: {
    readonly gone: readonly Entry[]
    readonly put: readonly Entry[]
  }): Set<SpiffeId> {
    const affected = new Set<SpiffeId>()
    for (const alias of aliases.gone) {
      for (const id of this.agentsOf(alias.id)) affected.add(id)
      this.#aliases.delete(alias.id)
    }
    if (aliases.put.length === 0) return affected
    // Only those that came are tried against every node; each node is then matched against all once.
    const put = new SelectorMatcher<Entry>()
    for (const alias of aliases.put) {
      put.put(alias)
      this.#aliases.put(alias)
    }
    for (const [id, agent] of this.#agents) {
      if (put.match(agent.selectors).length > 0) affected.add(id)
    }
    return affected
  }

  #assignAliases(id: SpiffeId): void {
    for (const alias of this.aliasesOf(id)) {
      const agents = this.#agentsOf.get(alias.id)
      agents?.delete(id)
      if (agents?.size === 0) this.#agentsOf.delete(alias.id)
    }
    const agent = this.active(id)
    const aliases = agent === undefined ? noEntries : this.#aliases.match(agent.selectors)
    if (aliases.length === 0) this.#aliasesOf.delete(id)
    else this.#aliasesOf.set(id, aliases)
    for (const alias of aliases) {
      const agents = this.#agentsOf.get(alias.id)
      if (agents === undefined) this.#agentsOf.set(alias.id, new Set([id]))
      else agents.add(id)
    }
  }
}

function sameRights(a: AgentRecord, b: AgentRecord): boolean {
  return a.banned === b.banned && sameSelectors(a.selectors, b.selectors)
}

/** Of two sorted lists. */
export function sameSelectors(a: readonly Selector[], b: readonly Selector[]): boolean {
  return (
    a.length === b.length &&
    a.every((selector, at) => compareSelectors(selector, b[at] as Selector) === 0)
  )
}

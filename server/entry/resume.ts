import type { Entry } from '../../src/entry/entry.ts'
import type { FactKind } from '../../src/revocation/fact.ts'
import { serverId } from '../../src/spiffe-id/reserved.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Change } from '../store/changes.ts'
import type { EntryIndex } from './index.ts'

/** Where an agent goes on: nothing, or what it missed: creations, and entries whose SVIDs were revoked. */
export type Resume =
  | { readonly from: 'snapshot' }
  | { readonly from: 'position'; readonly applied: number; readonly missed: readonly Entry[] }

/** What the agent says that it holds. */
export interface Held {
  readonly logId: string
  readonly applied: number
}

export interface ResumeDeps {
  readonly trustDomain: TrustDomain
  readonly changes: { readonly logId: string; readonly position: number }
  readonly index: Pick<EntryIndex, 'get' | 'count' | 'isAuthorised' | 'touchedBy'>
  knowsBundle(trustDomain: TrustDomain): boolean
}

/** More than this many missed changes are told by a snapshot. */
export const maxMissed = 5000

/** Whether what the agent holds is a state of this log. */
export function isOfThisLog({ changes }: Pick<ResumeDeps, 'changes'>, held: Held): boolean {
  return held.logId === changes.logId && held.applied >= 1 && held.applied <= changes.position
}

/**
 * What the agent has missed, by the lines of the log that come after what it holds. Only creations
 * are told one by one: what an entry was before it changed or went is not known any more, so that
 * everything else is a snapshot of the agent's own entries. The answer holds for the index and the
 * position of this moment, so that the agent's stream has to be opened before they move on.
 */
export function resumeFrom(
  deps: ResumeDeps,
  agentId: SpiffeId,
  held: Held,
  changes: readonly Change[],
): Resume {
  const snapshot: Resume = { from: 'snapshot' }
  if (!isOfThisLog(deps, held)) return snapshot
  const { applied } = held
  const { position } = deps.changes
  // Later lines are told when their batch comes. Where one is missing it was pruned, or the index
  // has moved on since they were read.
  const missedChanges = changes.filter(({ number }) => number <= position)
  if (missedChanges.length !== position - applied || missedChanges.length > maxMissed) {
    return snapshot
  }
  const missed = new Map<string, Entry | undefined>()
  const facts: ReturnType<typeof factOf>[] = []
  for (const { kind, ref } of missedChanges) {
    if (kind === 'agent' && ref === agentId) return snapshot
    if (kind === 'bundle' && !deps.knowsBundle(ref as TrustDomain)) return snapshot
    if (kind === 'revocation') facts.push(factOf(ref))
    if (kind !== 'entry') continue
    const entry = deps.index.get(ref)
    // Named twice it went and was made anew: the agent may hold another one by that name.
    const isCreation = entry !== undefined && entry.revision === 0 && !missed.has(ref)
    if (!isCreation || movesOthers(deps, entry)) return snapshot
    missed.set(ref, deps.index.isAuthorised(agentId, ref))
  }
  for (const { id } of deps.index.touchedBy(facts)) {
    missed.set(id, deps.index.isAuthorised(agentId, id))
  }
  const own = [...missed.values()].filter((entry) => entry !== undefined)
  return { from: 'position', applied, missed: own }
}

/** As a line of the log names it. */
function factOf(ref: string): { readonly kind: FactKind; readonly id: string } {
  const end = ref.indexOf(' ')
  return { kind: ref.slice(0, end) as FactKind, id: ref.slice(end + 1) }
}

/** A new alias, or a new entry above others: it may have given the agent more than itself. */
function movesOthers({ trustDomain, index }: ResumeDeps, entry: Entry): boolean {
  return entry.parentId === serverId(trustDomain) || index.count({ parentId: entry.spiffeId }) > 0
}

import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { ChangeBatch } from '../changes/changes.ts'
import type { AgentNews } from './concerned.ts'
import { type Everything, Follower } from './follower.ts'
import type { Resume } from './resume.ts'

/** What the followers look at. */
export interface FollowedIndex {
  authorisedFor(agentId: SpiffeId): ReadonlyMap<string, Entry>
  agentsConcernedBy(
    batch: ChangeBatch,
    connected: ReadonlySet<SpiffeId>,
  ): ReadonlyMap<SpiffeId, AgentNews>
}

export interface FollowersDeps {
  readonly index: FollowedIndex
  readonly bundles: () => readonly Bundle[]
  readonly position: () => number
  readonly clock: Clock
  /** A change could not be told to an agent. */
  readonly failed?: (agentId: SpiffeId, error: unknown) => void
  /** Two processes show the SVID of one agent; told once a stream. */
  readonly duplicated?: (agentId: SpiffeId, addresses: readonly string[]) => void
}

const duplicatedRetryMs = 30_000
const maxReplaced = 16

/** How far an agent is; `lagMs` is how long the oldest change that it has not acknowledged waits. */
export interface FollowerStatus {
  readonly agentId: SpiffeId
  readonly address: string
  readonly applied: number
  readonly lagMs: number
  readonly connectedSince: Date
  /** Another process shows the same SVID, and is kept out. */
  readonly contended: boolean
}

/** The agents that follow this server now, one stream each. */
export class Followers {
  readonly #deps: FollowersDeps
  readonly #followers = new Map<SpiffeId, Follower>()
  /** Agents that were not told everything: the next stream of each begins with a snapshot. */
  readonly #beginAnew = new Set<SpiffeId>()
  readonly #waiting = new Set<() => void>()

  constructor(deps: FollowersDeps) {
    this.#deps = deps
  }

  get size(): number {
    return this.#followers.size
  }

  /** Tells each agent that is concerned; called for each batch, after the index has applied it. */
  apply(batch: ChangeBatch): void {
    if (this.#followers.size === 0) return
    const connected = new Set(this.#followers.keys())
    const nowMs = this.#deps.clock.monotonicMs()
    try {
      const news = this.#deps.index.agentsConcernedBy(batch, connected)
      for (const [id, follower] of this.#followers) {
        try {
          this.#tell(follower, news.get(id), batch, nowMs)
        } catch (error) {
          this.#fault(follower, error)
        }
      }
    } catch (error) {
      for (const follower of this.#followers.values()) this.#fault(follower, error)
    }
    this.#wake()
  }

  #tell(
    follower: Follower,
    news: AgentNews | undefined,
    { bundles, to }: ChangeBatch,
    nowMs: number,
  ): void {
    if (news === 'recompute') follower.replace(this.#everythingFor(follower.agentId), to, nowMs)
    else if (news !== undefined) follower.add(news, to, nowMs)
    if (bundles.size > 0) follower.addBundles(bundles, to, nowMs)
    // Whom nothing concerns is up to date with this batch without a message.
    else if (news === undefined) follower.skipTo(to)
  }

  /** Whoever was not told a change is told nothing after it: it comes back and begins anew. */
  #fault(follower: Follower, cause: unknown): void {
    this.#beginAnew.add(follower.agentId)
    follower.end(
      new CountersignError('unavailable', 'a change could not be told; the stream begins anew', {
        reason: 'stream-fault',
        cause,
      }),
    )
    this.#deps.failed?.(follower.agentId, cause)
  }

  /**
   * A stream opens; a former one of the same agent ends. `instance` names the agent's process: one
   * that was replaced before, and comes while the other is there, is another process with the same
   * SVID. Throws `unavailable` / `agent-duplicated` for it.
   */
  open(agentId: SpiffeId, address: string, resume: Resume, instance = ''): Follower {
    const live = this.#followers.get(agentId)
    if (live !== undefined && instance !== '' && live.replaced.has(instance)) {
      throw this.#duplicated(live, address)
    }
    const { clock, bundles, position } = this.#deps
    const follower = new Follower({
      agentId,
      address,
      instance,
      replaced: replacedBy(instance, live),
      connectedSince: clock.now(),
      onAcknowledged: () => this.#wake(),
    })
    const nowMs = clock.monotonicMs()
    if (resume.from === 'snapshot' || this.#beginAnew.has(agentId)) {
      follower.replace(this.#everythingFor(agentId), position(), nowMs)
    } else {
      follower.add({ upserts: resume.missed, removals: [] }, position(), nowMs)
      follower.addBundles(byName(bundles()), position(), nowMs)
    }
    live?.end(
      new CountersignError('conflict', 'another stream of this agent has taken over', {
        reason: 'stream-replaced',
      }),
    )
    this.#beginAnew.delete(agentId)
    this.#followers.set(agentId, follower)
    return follower
  }

  #duplicated(live: Follower, address: string): CountersignError {
    if (!live.contended) this.#deps.duplicated?.(live.agentId, [live.address, address])
    live.contended = true
    return new CountersignError(
      'unavailable',
      'another process follows with the SVID of this agent',
      {
        reason: 'agent-duplicated',
        fix: 'a data folder was copied: stop one of the two, and let it join with a token of its own',
        retryAfterMs: duplicatedRetryMs,
      },
    )
  }

  close(follower: Follower): void {
    if (this.#followers.get(follower.agentId) === follower) {
      this.#followers.delete(follower.agentId)
    }
    follower.end()
    this.#wake()
  }

  /** Ends the stream of an agent that may follow no longer. */
  cut(agentId: SpiffeId, error: CountersignError): void {
    this.#followers.get(agentId)?.end(error)
  }

  status(): readonly FollowerStatus[] {
    const nowMs = this.#deps.clock.monotonicMs()
    return [...this.#followers.values()].map((follower) => ({
      agentId: follower.agentId,
      address: follower.address,
      applied: follower.applied,
      lagMs: follower.lagMs(nowMs),
      connectedSince: follower.connectedSince,
      contended: follower.contended,
    }))
  }

  /** True where the agent is connected and has acknowledged this position. */
  hasApplied(agentId: SpiffeId, position: number): boolean {
    const follower = this.#followers.get(agentId)
    return follower !== undefined && follower.applied >= position
  }

  isConnected(agentId: SpiffeId): boolean {
    return this.#followers.has(agentId)
  }

  /** Resolves once each of these that is connected has applied the position, or the signal aborts. */
  async applied(
    agentIds: readonly SpiffeId[],
    position: number,
    signal: AbortSignal,
  ): Promise<void> {
    const late = (): boolean =>
      agentIds.some((id) => this.isConnected(id) && !this.hasApplied(id, position))
    while (late() && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        this.#waiting.add(wake)
        signal.addEventListener('abort', wake, { once: true })
      })
    }
  }

  #everythingFor(agentId: SpiffeId): Everything {
    const { index, bundles } = this.#deps
    return { entries: index.authorisedFor(agentId), bundles: byName(bundles()) }
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}

function byName(bundles: readonly Bundle[]): ReadonlyMap<TrustDomain, Bundle> {
  return new Map(bundles.map((bundle) => [bundle.trustDomain, bundle]))
}

/** The processes that streams of this agent were taken from, one after the other. */
function replacedBy(instance: string, live: Follower | undefined): ReadonlySet<string> {
  if (live === undefined) return new Set()
  const all = [...live.replaced, live.instance].filter((one) => one !== '' && one !== instance)
  return new Set(all.slice(-maxReplaced))
}

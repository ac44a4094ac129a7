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
}

/** How far an agent is; `lagMs` is how long the oldest change that it has not acknowledged waits. */
export interface FollowerStatus {
  readonly agentId: SpiffeId
  readonly address: string
  readonly applied: number
  readonly lagMs: number
  readonly connectedSince: Date
}

/** The agents that follow this server now, one stream each. */
export class Followers {
  readonly #deps: FollowersDeps
  readonly #followers = new Map<SpiffeId, Follower>()
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
    const news = this.#deps.index.agentsConcernedBy(batch, connected)
    const nowMs = this.#deps.clock.monotonicMs()
    for (const [id, item] of news) {
      const follower = this.#followers.get(id)
      if (item === 'recompute') follower?.replace(this.#everythingFor(id), batch.to, nowMs)
      else follower?.add(item, batch.to, nowMs)
    }
    if (batch.bundles.size > 0) {
      for (const follower of this.#followers.values()) {
        follower.addBundles(batch.bundles, batch.to, nowMs)
      }
    }
    // Whom nothing concerns is up to date with this batch without a message.
    for (const [id, follower] of this.#followers) {
      if (!news.has(id) && batch.bundles.size === 0) follower.skipTo(batch.to)
    }
    this.#wake()
  }

  /** A stream opens; a former one of the same agent ends. */
  open(agentId: SpiffeId, address: string, resume: Resume): Follower {
    this.#followers.get(agentId)?.end(
      new CountersignError('conflict', 'another stream of this agent has taken over', {
        reason: 'stream-replaced',
      }),
    )
    const { clock, bundles, position } = this.#deps
    const follower = new Follower({
      agentId,
      address,
      connectedSince: clock.now(),
      onAcknowledged: () => this.#wake(),
    })
    const nowMs = clock.monotonicMs()
    if (resume.from === 'snapshot') {
      follower.replace(this.#everythingFor(agentId), position(), nowMs)
    } else {
      follower.add({ upserts: resume.missed, removals: [] }, position(), nowMs)
      follower.addBundles(byName(bundles()), position(), nowMs)
    }
    this.#followers.set(agentId, follower)
    return follower
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

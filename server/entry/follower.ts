import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'

/** What an agent is told in one go; it is at `position` once it has applied it. */
export interface FollowerGroup {
  /** Everything that the agent may hold: what is not here is gone. */
  readonly snapshot: boolean
  readonly position: number
  readonly entries: readonly Entry[]
  readonly removedEntryIds: readonly string[]
  readonly bundles: readonly Bundle[]
  readonly removedTrustDomains: readonly TrustDomain[]
}

/** All that an agent may hold: what a snapshot does not name, the agent drops, bundles too. */
export interface Everything {
  readonly entries: ReadonlyMap<string, Entry>
  readonly bundles: ReadonlyMap<TrustDomain, Bundle>
}

/** Beyond this many waiting positions the last one stands for all that follow. */
const maxDue = 1000

interface Pending {
  snapshot: boolean
  position: number
  readonly entries: Map<string, Entry | undefined>
  readonly bundles: Map<TrustDomain, Bundle | undefined>
}

/**
 * One agent's stream: what it has not been told yet, folded together until it takes it, so that a
 * slow agent costs at most one copy of its own entries.
 */
export class Follower {
  readonly agentId: SpiffeId
  readonly address: string
  /** The agent's process, in its own word; empty where it does not say. */
  readonly instance: string
  /** Processes that this stream and those before it were taken from. */
  readonly replaced: ReadonlySet<string>
  /** One of those came back. */
  contended = false
  readonly connectedSince: Date
  readonly #onAcknowledged: () => void
  #pending: Pending | undefined
  #told = 0
  #applied = 0
  /** When each position that is not acknowledged was first due. */
  readonly #due: { readonly position: number; readonly atMs: number }[] = []
  #ended: { readonly error: Error | undefined } | undefined
  #wake: (() => void) | undefined

  constructor(options: {
    readonly agentId: SpiffeId
    readonly address: string
    readonly instance?: string
    readonly replaced?: ReadonlySet<string>
    readonly connectedSince: Date
    readonly onAcknowledged: () => void
  }) {
    this.agentId = options.agentId
    this.address = options.address
    this.instance = options.instance ?? ''
    this.replaced = options.replaced ?? new Set()
    this.connectedSince = options.connectedSince
    this.#onAcknowledged = options.onAcknowledged
  }

  get applied(): number {
    return this.#applied
  }

  lagMs(nowMs: number): number {
    const oldest = this.#due[0]
    return oldest === undefined ? 0 : Math.max(0, Math.round(nowMs - oldest.atMs))
  }

  /** Everything takes the place of whatever was to be told. */
  replace({ entries, bundles }: Everything, position: number, nowMs: number): void {
    const pending = this.#pendingAt(position, nowMs)
    pending.snapshot = true
    pending.entries.clear()
    for (const [id, entry] of entries) pending.entries.set(id, entry)
    pending.bundles.clear()
    for (const [trustDomain, bundle] of bundles) pending.bundles.set(trustDomain, bundle)
  }

  add(
    news: { readonly upserts: readonly Entry[]; readonly removals: readonly string[] },
    position: number,
    nowMs: number,
  ): void {
    const pending = this.#pendingAt(position, nowMs)
    for (const entry of news.upserts) pending.entries.set(entry.id, entry)
    for (const id of news.removals) {
      if (pending.snapshot) pending.entries.delete(id)
      else pending.entries.set(id, undefined)
    }
  }

  addBundles(
    bundles: ReadonlyMap<TrustDomain, Bundle | undefined>,
    position: number,
    nowMs: number,
  ): void {
    const pending = this.#pendingAt(position, nowMs)
    for (const [trustDomain, bundle] of bundles) pending.bundles.set(trustDomain, bundle)
  }

  /** Nothing up to here concerned this agent. */
  skipTo(position: number): void {
    if (this.#pending !== undefined) this.#pending.position = position
    else if (this.#applied === this.#told) {
      this.#told = position
      this.#applied = position
    } else this.#told = Math.max(this.#told, position)
  }

  /** A sign of life for an agent that has nothing else to hear. */
  beat(): void {
    this.#pending ??= {
      snapshot: false,
      position: this.#told,
      entries: new Map(),
      bundles: new Map(),
    }
    this.#wake?.()
  }

  /** The agent says how far it is; it cannot be further than it was told. */
  acknowledge(position: number): void {
    const heard = this.#due.length === 0 || position >= (this.#due.at(-1)?.position ?? 0)
    this.#applied = Math.max(this.#applied, heard ? this.#told : Math.min(position, this.#told))
    while (this.#due[0] !== undefined && this.#due[0].position <= this.#applied) this.#due.shift()
    this.#onAcknowledged()
  }

  end(error?: Error): void {
    this.#ended ??= { error }
    this.#wake?.()
  }

  /** The next group once there is one; undefined at the end. Throws what the stream was ended with. */
  async next(): Promise<FollowerGroup | undefined> {
    for (;;) {
      if (this.#ended !== undefined) {
        if (this.#ended.error !== undefined) throw this.#ended.error
        return undefined
      }
      const pending = this.#pending
      if (pending !== undefined) {
        this.#pending = undefined
        this.#told = pending.position
        return groupOf(pending)
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }

  #pendingAt(position: number, nowMs: number): Pending {
    this.#pending ??= { snapshot: false, position, entries: new Map(), bundles: new Map() }
    this.#pending.position = position
    const last = this.#due.at(-1)
    if (this.#due.length < maxDue || last === undefined) this.#due.push({ position, atMs: nowMs })
    else this.#due[this.#due.length - 1] = { position, atMs: last.atMs }
    this.#wake?.()
    return this.#pending
  }
}

function groupOf(pending: Pending): FollowerGroup {
  return {
    snapshot: pending.snapshot,
    position: pending.position,
    entries: [...pending.entries.values()].filter((entry) => entry !== undefined),
    removedEntryIds: [...pending.entries].flatMap(([id, entry]) =>
      entry === undefined ? [id] : [],
    ),
    bundles: [...pending.bundles.values()].filter((bundle) => bundle !== undefined),
    removedTrustDomains: [...pending.bundles].flatMap(([trustDomain, bundle]) =>
      bundle === undefined ? [trustDomain] : [],
    ),
  }
}

import fc from 'fast-check'
import { expect } from 'vitest'
import type { ChangeBatch } from '../../../../server/changes/changes.ts'
import type { Follower, FollowerGroup } from '../../../../server/entry/follower.ts'
import { Followers } from '../../../../server/entry/followers.ts'
import { createEntryIndex, type EntryIndex } from '../../../../server/entry/index.ts'
import { type Resume, resumeFrom } from '../../../../server/entry/resume.ts'
import type { Change } from '../../../../server/store/changes.ts'
import type { AgentRecord } from '../../../../server/store/records.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import type { Fact } from '../../../../src/revocation/fact.ts'
import { type SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { agentIdOf, agentOf, entryOf, idOf, selectorsOf, server, trustDomain } from './samples.ts'

export const a: SpiffeId = agentIdOf('a')
export const b: SpiffeId = agentIdOf('b')
export const foreign: readonly TrustDomain[] = ['one.org', 'two.org'].map((name) =>
  TrustDomain.parse(name),
)

export function bundleOf(name: TrustDomain, sequence = 0n): Bundle {
  return {
    trustDomain: name,
    x509Authorities: [],
    jwtAuthorities: [],
    sequence,
    refreshHintSeconds: 0,
  }
}

/** What an ID stands for now; undefined: it is gone. */
export type Named<T> = readonly [id: string, is: T | undefined]

export interface Write {
  readonly entries?: readonly Named<Entry>[]
  readonly agents?: readonly ReturnType<typeof agentOf>[]
  readonly bundles?: readonly (readonly [name: TrustDomain, bundle: Bundle | undefined])[]
  readonly facts?: readonly Pick<Fact, 'kind' | 'id'>[]
}

/** A server's index, bundles, log and followers, as main.ts joins them. */
export interface World {
  readonly clock: FakeClock
  readonly index: EntryIndex
  readonly bundles: Map<TrustDomain, Bundle>
  readonly log: Change[]
  readonly followers: Followers
  /** Commits and applies it; answers the position after it. */
  write(change: Write): number
  open(id: SpiffeId, instance?: string): Follower
  /** Agents of which the server has said that two processes show their SVID. */
  readonly duplicated: SpiffeId[]
  /** How an agent goes on that holds what there was at this position. */
  resume(id: SpiffeId, applied: number, lines?: readonly Change[], logId?: string): Resume
}

export function world(): World {
  const clock = new FakeClock()
  const index: EntryIndex = createEntryIndex({ trustDomain, clock })
  const bundles = new Map<TrustDomain, Bundle>([[trustDomain, bundleOf(trustDomain)]])
  const log: Change[] = []
  const duplicated: SpiffeId[] = []
  const followers = new Followers({
    index,
    bundles: () => [...bundles.values()],
    position: () => log.length,
    clock,
    duplicated: (id) => void duplicated.push(id),
  })
  const note = (kind: Change['kind'], ref: string): void => {
    log.push({ number: log.length + 1, kind, ref })
  }
  return {
    clock,
    index,
    bundles,
    log,
    followers,
    write({ entries = [], agents = [], bundles: changed = [], facts = [] }: Write): number {
      const from = log.length
      for (const [id] of entries) note('entry', id)
      for (const { id } of agents) note('agent', id)
      for (const [name] of changed) note('bundle', name)
      for (const { kind, id } of facts) note('revocation', `${kind} ${id}`)
      const batch: ChangeBatch = {
        from,
        to: log.length,
        entries: new Map(entries),
        agents: new Map(agents.map((agent) => [agent.id, agent])),
        bundles: new Map(changed),
        authoritiesChanged: false,
        policiesChanged: false,
        facts: facts.map((fact) => ({
          ...fact,
          ...{ number: 1, notBefore: 1, endsAt: 1, hash: '' },
        })),
      }
      index.apply(batch)
      for (const [name, bundle] of changed) {
        if (bundle === undefined) bundles.delete(name)
        else bundles.set(name, bundle)
      }
      followers.apply(batch)
      return log.length
    },
    open: (id, instance) => followers.open(id, '192.0.2.1:5', { from: 'snapshot' }, instance),
    duplicated,
    resume: (id, applied, lines = log.slice(Math.max(0, applied)), logId = 'log') =>
      resumeFrom(
        {
          trustDomain,
          index,
          changes: { logId: 'log', position: log.length },
          knowsBundle: (name) => bundles.has(name),
        },
        id,
        { logId, applied },
        lines,
      ),
  }
}

export const put = (entry: Entry): Named<Entry> => [entry.id, entry]
export const gone = (id: string): Named<Entry> => [id, undefined]

/** The next group; there is always one, if only a sign of life. */
export async function take(follower: Follower): Promise<FollowerGroup> {
  follower.beat()
  const group = await follower.next()
  if (group === undefined) throw new Error('the stream has ended')
  return group
}

// A small world, so that trees, cycles, shared IDs and aliases come by themselves.
export const names: readonly ['a', 'b'] = ['a', 'b']
const workloads = ['/w/1', '/w/2', '/w/3'].map(idOf)
const past = new Date('2026-06-01T11:00:00Z')
const nodeSelectors = fc.subarray(['r:1', 'r:2']).map((values) => selectorsOf(...values))
const entryChange = fc.record({
  id: fc.constantFrom('e1', 'e2', 'e3', 'e4', 'e5', 'e6'),
  isGone: fc.constantFrom(false, false, true),
  spiffeId: fc.constantFrom(...workloads),
  parentId: fc.constantFrom(server, a, a, b, ...workloads),
  selectors: fc.subarray(['r:1', 'r:2'], { minLength: 1 }).map((all) => selectorsOf(...all)),
  expiresAt: fc.constantFrom(undefined, undefined, undefined, past),
  disabledAt: fc.constantFrom(undefined, undefined, undefined, past),
})
/** What one write might do, some of it impossible. */
export interface DrawnWrite {
  readonly entries: readonly (Pick<
    Entry,
    'id' | 'spiffeId' | 'parentId' | 'selectors' | 'expiresAt' | 'disabledAt'
  > & { readonly isGone: boolean })[]
  readonly agents: readonly (Pick<AgentRecord, 'selectors' | 'banned'> & {
    readonly name: (typeof names)[number]
  })[]
  readonly bundles: readonly {
    readonly name: TrustDomain
    readonly isGone: boolean
    readonly sequence: bigint
  }[]
}

export const drawnWrites: fc.Arbitrary<DrawnWrite> = fc.record({
  entries: fc.uniqueArray(entryChange, { maxLength: 3, selector: ({ id }) => id }),
  agents: fc.uniqueArray(
    fc.record({
      name: fc.constantFrom(...names),
      selectors: nodeSelectors,
      banned: fc.constantFrom(false, false, false, true),
    }),
    { maxLength: 1, selector: ({ name }) => name },
  ),
  bundles: fc.uniqueArray(
    fc.record({ name: fc.constantFrom(...foreign), isGone: fc.boolean(), sequence: fc.bigInt() }),
    { maxLength: 1, selector: ({ name }) => name },
  ),
})

/** A write that can happen: only what is there goes, and each change has the next revision. */
export class Writer {
  readonly #world: World
  readonly #rows = new Map<string, Entry>()

  constructor(world: World) {
    this.#world = world
  }

  write({ entries, agents, bundles }: DrawnWrite): void {
    this.#world.write({
      entries: entries.flatMap(({ isGone, ...fields }): Named<Entry>[] => {
        const before = this.#rows.get(fields.id)
        if (isGone) return this.#rows.delete(fields.id) ? [gone(fields.id)] : []
        const entry = entryOf({
          ...fields,
          revision: before === undefined ? 0 : before.revision + 1,
        })
        this.#rows.set(entry.id, entry)
        return [put(entry)]
      }),
      agents: agents.map(({ name, ...fields }) => agentOf(name, fields)),
      bundles: bundles.flatMap(({ name, isGone, sequence }) =>
        isGone && !this.#world.bundles.has(name)
          ? []
          : [[name, isGone ? undefined : bundleOf(name, sequence)] as const],
      ),
    })
  }
}

/** An agent as far as the stream goes: it applies each group whole. */
export class ModelAgent {
  readonly id: SpiffeId
  readonly entries: Map<string, Entry> = new Map()
  readonly bundles: Map<TrustDomain, Bundle> = new Map()
  position = 0
  follower: Follower | undefined

  constructor(id: SpiffeId) {
    this.id = id
  }

  apply(group: FollowerGroup): void {
    if (group.snapshot) {
      this.entries.clear()
      this.bundles.clear()
    }
    for (const id of group.removedEntryIds) this.entries.delete(id)
    for (const entry of group.entries) this.entries.set(entry.id, entry)
    for (const name of group.removedTrustDomains) this.bundles.delete(name)
    for (const bundle of group.bundles) this.bundles.set(bundle.trustDomain, bundle)
    expect(group.position).toBeGreaterThanOrEqual(this.position)
    this.position = group.position
  }
}

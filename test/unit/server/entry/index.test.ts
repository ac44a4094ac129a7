import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createEntryIndex, type EntryIndex } from '../../../../server/entry/index.ts'
import type { AgentRecord } from '../../../../server/store/records.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import type { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { leastCpuMs } from '../../../support/cost.ts'
import { isMatchedBy } from '../../../support/matched-by.ts'
import {
  agentIdOf,
  agentOf,
  batchOf,
  entryOf,
  idOf,
  selectorsOf,
  server,
  trustDomain,
} from './samples.ts'

const now = new Date('2026-06-01T12:00:00Z')
const past = new Date(now.getTime() - 1000)
const future = new Date(now.getTime() + 60_000)

function indexOf(entries: readonly Entry[], agents: readonly AgentRecord[]): EntryIndex {
  const index = createEntryIndex({ trustDomain, clock: new FakeClock(now) })
  index.apply(batchOf({ entries, agents }))
  return index
}

// A small world, so that trees, cycles, shared IDs and aliases come by themselves.
const agentNames = ['a', 'b', 'c']
const workloadIds = ['/w/1', '/w/2', '/w/3', '/w/4', '/w/5'].map(idOf)
const parents = [server, ...agentNames.map(agentIdOf), ...workloadIds]
const nodeSelectors = fc
  .subarray(['r:1', 'r:2', 'r:3'], { minLength: 1 })
  .map((values) => selectorsOf(...values))
const entryArbitrary = fc
  .record({
    id: fc.constantFrom(...Array.from({ length: 14 }, (_, at) => `e${at}`)),
    spiffeId: fc.constantFrom(...workloadIds),
    parentId: fc.constantFrom(...parents),
    selectors: nodeSelectors,
    expiresAt: fc.constantFrom(undefined, undefined, undefined, past, future),
    disabledAt: fc.constantFrom(undefined, undefined, undefined, past),
    revision: fc.nat({ max: 3 }),
  })
  .map(entryOf)
const agentArbitrary = fc
  .record({
    name: fc.constantFrom(...agentNames),
    selectors: fc.subarray(['r:1', 'r:2', 'r:3']).map((values) => selectorsOf(...values)),
    banned: fc.constantFrom(false, false, false, true),
  })
  .map(({ name, ...fields }) => agentOf(name, fields))
const distinct = <T extends { readonly id: string }>(items: readonly T[]): T[] => [
  ...new Map(items.map((item) => [item.id as string, item])).values(),
]
const worldArbitrary = fc.record({
  entries: fc.array(entryArbitrary, { maxLength: 14 }).map(distinct),
  agents: fc.array(agentArbitrary, { maxLength: 3 }).map(distinct),
})

/** The rule as it is told: what hangs below the agent or its aliases, and what hangs below that. */
function naivelyAuthorised(
  entries: readonly Entry[],
  agents: readonly AgentRecord[],
  agentId: SpiffeId,
): Set<string> {
  const agent = agents.find((one) => one.id === agentId)
  if (agent === undefined || agent.banned) return new Set()
  const living = entries.filter(
    ({ expiresAt, disabledAt }) =>
      disabledAt === undefined && (expiresAt === undefined || expiresAt > now),
  )
  const isAlias = (entry: Entry): boolean => entry.parentId === server
  const aliases = living.filter(
    (entry) => isAlias(entry) && isMatchedBy(entry.selectors, agent.selectors),
  )
  const found = new Set<string>()
  const descend = (id: SpiffeId): void => {
    for (const entry of living) {
      if (entry.parentId !== id || found.has(entry.id)) continue
      found.add(entry.id)
      descend(entry.spiffeId)
    }
  }
  for (const id of [agentId, ...aliases.map((alias) => alias.spiffeId)]) descend(id)
  return found
}

describe('who is authorised for what', () => {
  test('T5 an agent gets exactly what hangs below it and its aliases, in every tree', () => {
    fc.assert(
      fc.property(worldArbitrary, ({ entries, agents }) => {
        const index = indexOf(entries, agents)
        for (const agentId of agentNames.map(agentIdOf)) {
          const expected = naivelyAuthorised(entries, agents, agentId)
          expect(new Set(index.authorisedFor(agentId).keys())).toEqual(expected)
          for (const { id } of entries) {
            expect(index.isAuthorised(agentId, id) !== undefined).toBe(expected.has(id))
            expect(index.agentsFor([id]).has(agentId)).toBe(expected.has(id))
          }
          for (const entry of entries) {
            const others = entries.filter(({ id }) => id !== entry.id)
            const enabled = [...others, { ...entry, disabledAt: undefined }]
            expect(index.isDisabledFor(agentId, entry.id)).toBe(
              entry.disabledAt !== undefined &&
                naivelyAuthorised(enabled, agents, agentId).has(entry.id),
            )
          }
        }
      }),
      { numRuns: 10000 },
    )
  })

  test('T5 the tree is the same however it came about', () => {
    fc.assert(
      fc.property(fc.array(worldArbitrary, { minLength: 1, maxLength: 4 }), (worlds) => {
        const index = createEntryIndex({ trustDomain, clock: new FakeClock(now) })
        let before: (typeof worlds)[number] = { entries: [], agents: [] }
        for (const world of worlds) {
          index.apply(changeBetween(before, world))
          before = world
        }
        for (const agentId of agentNames.map(agentIdOf)) {
          expect(new Set(index.authorisedFor(agentId).keys())).toEqual(
            naivelyAuthorised(before.entries, before.agents, agentId),
          )
        }
        expect(index.list({}, undefined, 100)).toEqual(
          before.entries.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
        )
      }),
      { numRuns: 1000 },
    )
  })

  test('an agent that is unknown, banned or evicted has nothing', () => {
    const index = indexOf([entryOf({ id: 'web' })], [agentOf('a', { banned: true })])
    expect(index.authorisedFor(agentIdOf('a')).size).toBe(0)
    expect(index.authorisedFor(agentIdOf('b')).size).toBe(0)
    index.apply(batchOf({ agents: [agentOf('a')] }))
    expect([...index.authorisedFor(agentIdOf('a')).keys()]).toEqual(['web'])
    index.apply(batchOf({ goneAgents: [agentIdOf('a')] }))
    expect(index.authorisedFor(agentIdOf('a')).size).toBe(0)
    expect(index.isAuthorised(agentIdOf('a'), 'web')).toBeUndefined()
  })

  test('two aliases that are parents of each other do no harm', () => {
    const index = indexOf(
      [
        entryOf({ id: '1', spiffeId: idOf('/x'), parentId: idOf('/y') }),
        entryOf({ id: '2', spiffeId: idOf('/y'), parentId: idOf('/x') }),
        entryOf({ id: '3', spiffeId: idOf('/x'), parentId: agentIdOf('a') }),
      ],
      [agentOf('a')],
    )
    expect([...index.authorisedFor(agentIdOf('a')).keys()].sort()).toEqual(['1', '2', '3'])
  })

  test('an entry of a foreign trust domain, or with a reserved ID, counts for nobody', () => {
    const foreign = 'spiffe://other.example/x' as SpiffeId
    const index = indexOf(
      [
        entryOf({ id: '1', spiffeId: foreign }),
        entryOf({ id: '2', parentId: foreign }),
        entryOf({ id: '3', spiffeId: agentIdOf('b') }),
        entryOf({ id: '4', parentId: agentIdOf('b') }),
      ],
      [agentOf('a'), agentOf('b')],
    )
    expect(index.authorisedFor(agentIdOf('a')).size).toBe(0)
    expect([...index.authorisedFor(agentIdOf('b')).keys()]).toEqual(['4'])
  })

  test('an entry ends at its expiry, and what hangs below it too', async () => {
    const clock = new FakeClock(now)
    const index = createEntryIndex({ trustDomain, clock })
    const entries = [
      entryOf({ id: 'up', spiffeId: idOf('/up'), expiresAt: future, admin: true }),
      entryOf({ id: 'down', parentId: idOf('/up') }),
    ]
    index.apply(batchOf({ entries, agents: [agentOf('a')] }))
    expect(index.authorisedFor(agentIdOf('a')).size).toBe(2)
    expect(index.rightsOf(idOf('/up'))).toEqual({ admin: true, downstream: false })
    await clock.advance(60_000)
    expect(index.authorisedFor(agentIdOf('a')).size).toBe(0)
    expect(index.isAuthorised(agentIdOf('a'), 'down')).toBeUndefined()
    expect(index.rightsOf(idOf('/up'))).toEqual({ admin: false, downstream: false })
    expect(index.expired(clock.now())).toEqual(['up'])
  })
})

function changeBetween(
  before: { readonly entries: readonly Entry[]; readonly agents: readonly AgentRecord[] },
  after: { readonly entries: readonly Entry[]; readonly agents: readonly AgentRecord[] },
): ReturnType<typeof batchOf> {
  const entryIds = new Set(after.entries.map((entry) => entry.id))
  const agentIds = new Set(after.agents.map((agent) => agent.id))
  return batchOf({
    entries: after.entries,
    goneEntries: before.entries.map((entry) => entry.id).filter((id) => !entryIds.has(id)),
    agents: after.agents,
    goneAgents: before.agents.map((agent) => agent.id).filter((id) => !agentIds.has(id)),
  })
}

describe('whom a batch concerns', () => {
  test('an agent that does as it is told holds what it is authorised for', () => {
    const change = fc.record({
      world: worldArbitrary,
      kept: fc.array(fc.boolean(), { minLength: 14, maxLength: 14 }),
    })
    fc.assert(
      fc.property(
        worldArbitrary,
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.subarray(agentNames).map((names) => new Set(names.map(agentIdOf))),
        (first, changes, connected) => {
          const index = indexOf(first.entries, first.agents)
          const held = new Map(
            [...connected].map((id) => [id, new Map(index.authorisedFor(id))] as const),
          )
          let world = first
          for (const { world: other, kept } of changes) {
            // Most of it stays as it is, so that not everything is compared whole.
            const stays = world.entries.filter((_, at) => kept[at])
            const ids = new Set(stays.map((entry) => entry.id))
            const next = {
              entries: [...stays, ...other.entries.filter((entry) => !ids.has(entry.id))],
              agents: kept[0] ? world.agents : other.agents,
            }
            const batch = changeBetween(world, next)
            index.apply(batch)
            const news = index.agentsConcernedBy(batch, connected)
            for (const [id, item] of news) {
              expect(connected.has(id)).toBe(true)
              if (item === 'recompute') held.set(id, new Map(index.authorisedFor(id)))
              else {
                for (const entry of item.upserts) held.get(id)?.set(entry.id, entry)
                for (const entryId of item.removals) held.get(id)?.delete(entryId)
              }
            }
            for (const id of connected) expect(held.get(id)).toEqual(index.authorisedFor(id))
            world = next
          }
        },
      ),
      { numRuns: 1500 },
    )
  })

  test('a leaf under an alias is told to each node behind it, as one and the same object', () => {
    const alias = entryOf({
      id: 'alias',
      spiffeId: idOf('/cluster'),
      parentId: server,
      selectors: selectorsOf('cluster:x'),
    })
    const inCluster = { selectors: selectorsOf('cluster:x', 'node:1') }
    const index = indexOf([alias], [agentOf('a', inCluster), agentOf('b', inCluster), agentOf('c')])
    const web = entryOf({ id: 'web', parentId: idOf('/cluster') })
    const batch = batchOf({ entries: [web] })
    index.apply(batch)
    const news = index.agentsConcernedBy(batch, new Set(agentNames.map(agentIdOf)))
    expect(news.get(agentIdOf('a'))).toEqual({ upserts: [web], removals: [] })
    expect(news.get(agentIdOf('b'))).toBe(news.get(agentIdOf('a')))
    expect(news.has(agentIdOf('c'))).toBe(false)
    const removal = batchOf({ goneEntries: ['web'] })
    index.apply(removal)
    expect(index.agentsConcernedBy(removal, new Set([agentIdOf('a')]))).toEqual(
      new Map([[agentIdOf('a'), { upserts: [], removals: ['web'] }]]),
    )
  })

  test('a removal below an entry that has expired reaches the agent all the same', async () => {
    const clock = new FakeClock(now)
    const index = createEntryIndex({ trustDomain, clock })
    const entries = [
      entryOf({ id: 'up', spiffeId: idOf('/up'), expiresAt: future }),
      entryOf({ id: 'down', parentId: idOf('/up') }),
    ]
    index.apply(batchOf({ entries, agents: [agentOf('a')] }))
    await clock.advance(60_000)
    const batch = batchOf({ goneEntries: ['down'] })
    index.apply(batch)
    expect(index.agentsConcernedBy(batch, new Set([agentIdOf('a')])).get(agentIdOf('a'))).toEqual({
      upserts: [],
      removals: ['down'],
    })
  })

  test('a new hint of an alias concerns nobody, a new selector those who gain or lose it', () => {
    const alias = entryOf({
      id: 'alias',
      spiffeId: idOf('/cluster'),
      parentId: server,
      selectors: selectorsOf('cluster:x'),
    })
    const index = indexOf(
      [alias],
      [
        agentOf('a', { selectors: selectorsOf('cluster:x') }),
        agentOf('b', { selectors: selectorsOf('cluster:y') }),
        agentOf('c'),
      ],
    )
    const connected = new Set(agentNames.map(agentIdOf))
    const hinted = batchOf({ entries: [{ ...alias, hint: 'new' }] })
    index.apply(hinted)
    expect(index.agentsConcernedBy(hinted, connected).size).toBe(0)
    const moved = batchOf({ entries: [{ ...alias, selectors: selectorsOf('cluster:y') }] })
    index.apply(moved)
    expect(index.agentsConcernedBy(moved, connected)).toEqual(
      new Map([
        [agentIdOf('a'), 'recompute'],
        [agentIdOf('b'), 'recompute'],
      ]),
    )
  })

  test('a renewed SVID of an agent concerns nobody', () => {
    const index = indexOf([entryOf({ id: 'web' })], [agentOf('a')])
    const batch = batchOf({ agents: [agentOf('a', { serial: '02', version: '2' })] })
    index.apply(batch)
    expect(index.agentsConcernedBy(batch, new Set([agentIdOf('a')])).size).toBe(0)
  })

  test('a thousand changes for a thousand agents behind one alias are told at once', async () => {
    const agents = Array.from({ length: 1000 }, (_, at) =>
      agentOf(`n${at}`, { selectors: selectorsOf('cluster:x', `node:${at}`) }),
    )
    const alias = entryOf({
      id: 'alias',
      spiffeId: idOf('/cluster'),
      parentId: server,
      selectors: selectorsOf('cluster:x'),
    })
    const ids = new Set(agents.map((agent) => agent.id))
    const entries = Array.from({ length: 1000 }, (_, at) =>
      entryOf({ id: `w${at}`, parentId: idOf('/cluster') }),
    )
    const batch = batchOf({ entries })
    const index = indexOf([alias], agents)
    const tell = () => {
      index.apply(batch)
      const news = index.agentsConcernedBy(batch, ids)
      expect(news.size).toBe(1000)
      expect(new Set(news.values()).size).toBe(1)
    }
    expect(await leastCpuMs(3, tell)).toBeLessThan(50)
  })
})

describe('lists', () => {
  const many = Array.from({ length: 3000 }, (_, at) =>
    entryOf({
      id: `id-${String((at * 7919) % 3000).padStart(4, '0')}`,
      spiffeId: idOf(`/w/${at % 500}`),
      parentId: agentIdOf(at % 3 === 0 ? 'a' : 'b'),
    }),
  )

  test.each([
    ['no filter', {}],
    ['a parent of many', { parentId: agentIdOf('b') }],
    ['a SPIFFE ID of few', { spiffeId: idOf('/w/17') }],
    ['both', { spiffeId: idOf('/w/17'), parentId: agentIdOf('a') }],
  ])('pages by %s give each entry once, in order, while others come and go', (_, filter) => {
    const index = indexOf(many, [])
    const expected = indexOf(many, []).list(filter, undefined, 10_000)
    expect(index.count(filter)).toBe(expected.length)
    const seen: string[] = []
    for (let after: string | undefined; ; after = seen.at(-1)) {
      const page = index.list(filter, after, 100)
      seen.push(...page.map((entry) => entry.id).filter((id) => id.startsWith('id-')))
      if (page.length < 100) break
      index.apply(
        batchOf({
          entries: [entryOf({ id: `aa-${seen.length}` }), entryOf({ id: `new-${seen.length}` })],
          goneEntries: [`aa-${seen.length - 100}`],
        }),
      )
    }
    expect(seen).toEqual(expected.map((entry) => entry.id))
    expect(seen).toEqual([...new Set(seen)].sort())
  })

  test('of an ID those that carry it now, in order, as many as are asked for', () => {
    const [web, api] = [idOf('/web'), idOf('/api')]
    const index = indexOf([], [])
    const ids = (id: SpiffeId, limit = 3) => index.ofId(id, limit).map((entry) => entry.id)
    const put = (id: string, spiffeId: SpiffeId) =>
      index.apply(batchOf({ entries: [entryOf({ id, spiffeId })] }))
    put('b', web)
    expect([ids(web), ids(web, 1), ids(api)]).toEqual([['b'], ['b'], []])
    put('c', web)
    put('a', web)
    expect([ids(web), ids(web, 2)]).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b'],
    ])
    put('b', api)
    index.apply(batchOf({ goneEntries: ['c'] }))
    expect([ids(web), ids(api)]).toEqual([['a'], ['b']])
  })

  test('an entry is found by what makes it similar, in whatever order its selectors come', () => {
    const web = entryOf({ id: 'web', selectors: selectorsOf('uid:1', 'gid:2') })
    const index = indexOf([web, entryOf({ id: 'other', spiffeId: web.spiffeId })], [])
    expect(index.find({ ...web, selectors: web.selectors.toReversed() })).toBe(web)
    expect(index.find({ ...web, selectors: selectorsOf('uid:1') })).toBeUndefined()
  })

  test('a hundred thousand entries are there within moments', async () => {
    const entries = Array.from({ length: 100_000 }, (_, at) =>
      entryOf({ id: `${(at * 7919) % 100_000}`, spiffeId: idOf(`/w/${at}`) }),
    )
    const batch = batchOf({ entries })
    const fill = () => {
      const index = createEntryIndex({ trustDomain, clock: new FakeClock(now) })
      index.apply(batch)
      expect(index.size).toBe(100_000)
    }
    expect(await leastCpuMs(2, fill)).toBeLessThan(10_000)
  })
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { maxMissed } from '../../../../server/entry/resume.ts'
import type { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import {
  a,
  b,
  drawnWrites,
  foreign,
  gone,
  ModelAgent,
  put,
  take,
  type World,
  type Write,
  Writer,
  world,
} from './followed-world.ts'
import { agentOf, entryOf, idOf, selectorsOf, server } from './samples.ts'

const snapshot = { from: 'snapshot' }

function started(): World {
  const w = world()
  w.write({ agents: [agentOf('a'), agentOf('b')] })
  w.write({ entries: [put(entryOf({ id: 'held' })), put(entryOf({ id: 'theirs', parentId: b }))] })
  return w
}

test('what was created meanwhile is told by itself, each agent its own', () => {
  const w = started()
  const at = w.log.length
  w.write({ entries: [put(entryOf({ id: 'new' })), put(entryOf({ id: 'other', parentId: b }))] })
  expect(w.resume(a, at)).toMatchObject({ from: 'position', missed: [{ id: 'new' }] })
  expect(w.resume(a, w.log.length)).toMatchObject({ from: 'position', missed: [] })
})

test('T26 whose SVIDs were revoked is told again, to each agent that has it and to one that was away', async () => {
  const w = started()
  const own = { owner: 'team', spiffeId: idOf('/own') }
  const entries = [
    entryOf({ id: 'mine', ...own }),
    entryOf({ id: 'shared', parentId: b, spiffeId: own.spiffeId }),
  ]
  w.write({ entries: entries.map(put) })
  const at = w.log.length
  const followers = [w.open(a), w.open(b)]
  for (const follower of followers) await take(follower)
  const facts: readonly NonNullable<Write['facts']>[number][] = [
    { kind: 'spiffe-id', id: own.spiffeId },
    { kind: 'entry', id: 'shared' },
    { kind: 'owner', id: 'team' },
    { kind: 'owner', id: 'nobody' },
    { kind: 'token', id: 'mine' },
  ]
  for (const [nth, fact] of facts.entries()) {
    w.write({ facts: [fact] })
    const told = []
    for (const follower of followers) told.push((await take(follower)).entries.map(({ id }) => id))
    expect([fact, ...told]).toEqual([fact, ...(nth < 3 ? [['mine'], ['shared']] : [[], []])])
  }
  expect(w.resume(a, at)).toMatchObject({ from: 'position', missed: [{ id: 'mine' }] })
  expect(w.resume(b, at + 3)).toMatchObject({ from: 'position', missed: [] })
})

test.each([
  ['an entry went', { entries: [gone('held')] }],
  ['an entry changed', { entries: [put(entryOf({ id: 'held', revision: 1 }))] }],
  ['the agent itself changed', { agents: [agentOf('a', { selectors: selectorsOf('r:1') })] }],
  ['a bundle went', { bundles: [[foreign[0] as TrustDomain, undefined] as const] }],
  [
    'a new alias may give it more',
    { entries: [put(entryOf({ id: 'alias', parentId: server, spiffeId: idOf('/pool') }))] },
  ],
  [
    'a new entry stands above others',
    {
      entries: [
        put(entryOf({ id: 'below', parentId: idOf('/above') })),
        put(entryOf({ id: 'above', spiffeId: idOf('/above') })),
      ],
    },
  ],
])('T26 a snapshot where %s', (_, change) => {
  const w = started()
  const at = w.log.length
  w.write(change)
  expect(w.resume(a, at)).toEqual(snapshot)
})

test('T26 an entry that went and was made anew under another agent is not kept by the first', () => {
  const w = started()
  const at = w.log.length
  w.write({ entries: [gone('held')] })
  w.write({ entries: [put(entryOf({ id: 'held', parentId: b }))] })
  expect(w.resume(a, at)).toEqual(snapshot)
})

test('T26 lines that are missing are a snapshot: pruned ones, and those that the index knows since they were read', () => {
  const w = started()
  const at = w.log.length
  w.write({ entries: [put(entryOf({ id: 'x' })), put(entryOf({ id: 'y' }))] })
  const lines = w.log.slice(at)
  expect(w.resume(a, at, lines)).toMatchObject({ from: 'position' })
  expect(w.resume(a, at, lines.slice(1))).toEqual(snapshot)
  w.write({ entries: [gone('held')] })
  expect(w.resume(a, at, lines)).toEqual(snapshot)
})

test('lines that the index has not applied yet are left to their batch', () => {
  const w = started()
  const at = w.log.length
  w.write({ entries: [put(entryOf({ id: 'x' }))] })
  const lines = [...w.log.slice(at), { number: at + 2, kind: 'entry' as const, ref: 'held' }]
  expect(w.resume(a, at, lines)).toMatchObject({ from: 'position', missed: [{ id: 'x' }] })
})

test('a position of another log, ahead of this one, before the first or no number is a snapshot', () => {
  const w = started()
  const at = w.log.length
  for (const applied of [0, -1, at + 1, Number.NaN, 1.5]) {
    expect(w.resume(a, applied)).toEqual(snapshot)
  }
  expect(w.resume(a, at, [], 'another')).toEqual(snapshot)
})

test('more than was missed at most is a snapshot', () => {
  const w = started()
  const at = w.log.length
  w.write({
    entries: Array.from({ length: maxMissed + 1 }, (_, n) => put(entryOf({ id: `n${n}` }))),
  })
  expect(w.resume(a, at)).toEqual(snapshot)
  expect(w.resume(a, at + 1)).toMatchObject({ from: 'position' })
})

test('T26 after an absence in which anything happened, an agent holds exactly what it may', async () => {
  const entriesOnly = drawnWrites.map((write) => ({ ...write, agents: [], bundles: [] }))
  const writes = (maxLength: number) => fc.array(entriesOnly, { maxLength })
  await fc.assert(
    fc.asyncProperty(writes(3), writes(3), async (before, meanwhile) => {
      const w = world()
      w.write({ agents: [agentOf('a', { selectors: selectorsOf('r:1') }), agentOf('b')] })
      const writer = new Writer(w)
      for (const write of before) writer.write(write)
      const agent = new ModelAgent(a)
      agent.apply(await take(w.open(a)))
      for (const write of meanwhile) writer.write(write)
      const follower = w.followers.open(a, '', w.resume(a, agent.position))
      agent.apply(await take(follower))
      expect(agent.entries).toEqual(w.index.authorisedFor(a))
      expect(agent.position).toBe(w.log.length)
    }),
    { numRuns: 5000 },
  )
}, 120_000)

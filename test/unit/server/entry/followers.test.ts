import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Follower, FollowerGroup } from '../../../../server/entry/follower.ts'
import { CountersignError } from '../../../../src/errors.ts'
import type { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import {
  a,
  b,
  bundleOf,
  drawnWrites,
  foreign,
  gone,
  ModelAgent,
  names,
  put,
  take,
  Writer,
  world,
} from './followed-world.ts'
import { agentIdOf, agentOf, entryOf, selectorsOf, trustDomain } from './samples.ts'

const idsOf = (group: FollowerGroup): string[] => group.entries.map(({ id }) => id).sort()

async function reasonOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'none'
  } catch (error) {
    return error instanceof CountersignError ? error.reason : String(error)
  }
}

describe('what an agent is told', () => {
  test('several changes are folded into one group, of which the last word on each entry counts', async () => {
    const { write, open } = world()
    write({ agents: [agentOf('a')] })
    const follower = open(a)
    await take(follower)
    write({ entries: [put(entryOf({ id: 'kept' })), put(entryOf({ id: 'dropped' }))] })
    write({ entries: [put(entryOf({ id: 'kept', revision: 1, hint: 'new' }))] })
    const position = write({ entries: [gone('dropped')] })
    const group = await take(follower)
    expect(group).toMatchObject({ snapshot: false, position, removedEntryIds: ['dropped'] })
    expect(group.entries).toMatchObject([{ id: 'kept', hint: 'new' }])
  })

  test('a slow agent costs one copy of its entries, however often they change', async () => {
    const { write, open } = world()
    write({ agents: [agentOf('a')] })
    const follower = open(a)
    for (let revision = 0; revision < 500; revision += 1) {
      write({ entries: ['x', 'y', 'z'].map((id) => put(entryOf({ id, revision }))) })
    }
    const group = await take(follower)
    expect(idsOf(group)).toEqual(['x', 'y', 'z'])
    expect(group.entries.every(({ revision }) => revision === 499)).toBe(true)
    expect(await take(follower)).toMatchObject({ entries: [], removedEntryIds: [] })
  })

  test('what goes while a snapshot waits is not in the snapshot', async () => {
    const { write, open } = world()
    write({
      agents: [agentOf('a')],
      entries: [put(entryOf({ id: 'x' })), put(entryOf({ id: 'y' }))],
    })
    const follower = open(a)
    write({ entries: [gone('x')] })
    const group = await take(follower)
    expect(group).toMatchObject({ snapshot: true, removedEntryIds: [] })
    expect(idsOf(group)).toEqual(['y'])
  })

  test('a snapshot in the middle of a stream names every bundle: what it leaves out, the agent drops', async () => {
    const { write, open } = world()
    const name = foreign[0] as TrustDomain
    write({ agents: [agentOf('a')], bundles: [[name, bundleOf(name)]] })
    const follower = open(a)
    await take(follower)
    write({ agents: [agentOf('a', { selectors: selectorsOf('r:1') })] })
    const group = await take(follower)
    expect(group.snapshot).toBe(true)
    expect(group.bundles.map((bundle) => bundle.trustDomain)).toEqual([trustDomain, name])
  })

  test('nothing of another agent is told, and its changes count as applied', async () => {
    const { write, open, followers } = world()
    write({ agents: [agentOf('a'), agentOf('b')] })
    const follower = open(a)
    follower.acknowledge((await take(follower)).position)
    const position = write({ entries: [put(entryOf({ id: 'theirs', parentId: b }))] })
    expect(followers.hasApplied(a, position)).toBe(true)
    expect(await take(follower)).toMatchObject({ entries: [], removedEntryIds: [], position })
  })

  test('a sign of life is told by itself, and alone', async () => {
    const { write, open } = world()
    const position = write({ agents: [agentOf('a')] })
    const follower = open(a)
    await take(follower)
    const next = follower.next()
    follower.beat()
    follower.beat()
    expect(await next).toMatchObject({ snapshot: false, position, entries: [], bundles: [] })
  })
})

describe('how far an agent is', () => {
  test('the lag is the age of the oldest change that it has not acknowledged', async () => {
    const { write, open, followers, clock } = world()
    write({ agents: [agentOf('a')] })
    const follower = open(a)
    follower.acknowledge((await take(follower)).position)
    const lag = () => followers.status()[0]?.lagMs
    expect(lag()).toBe(0)
    const first = write({ entries: [put(entryOf({ id: 'x' }))] })
    await clock.advance(300)
    const told = await take(follower)
    const second = write({ entries: [put(entryOf({ id: 'y' }))] })
    await clock.advance(200)
    expect(lag()).toBe(500)
    follower.acknowledge(told.position)
    expect(lag()).toBe(200)
    expect([followers.hasApplied(a, first), followers.hasApplied(a, second)]).toEqual([true, false])
    follower.acknowledge((await take(follower)).position)
    expect(lag()).toBe(0)
    expect(followers.hasApplied(a, second)).toBe(true)
  })

  test('an agent cannot be further than it was told', async () => {
    const { write, open, followers } = world()
    write({ agents: [agentOf('a')] })
    const follower = open(a)
    const { position } = await take(follower)
    const untold = write({ entries: [put(entryOf({ id: 'x' }))] })
    follower.acknowledge(1_000_000)
    expect([followers.hasApplied(a, position), followers.hasApplied(a, untold)]).toEqual([
      true,
      false,
    ])
  })

  test('what concerns others moves a waiting group on, and no agent that has not answered', async () => {
    const { write, open, followers } = world()
    write({ agents: [agentOf('a'), agentOf('b')] })
    const follower = open(a)
    const early = await take(follower)
    const position = write({ entries: [put(entryOf({ id: 'theirs', parentId: b }))] })
    expect(followers.hasApplied(a, position)).toBe(false)
    follower.acknowledge(early.position)
    expect(followers.hasApplied(a, position)).toBe(true)
    write({ entries: [put(entryOf({ id: 'mine' }))] })
    const last = write({ entries: [put(entryOf({ id: 'theirs-too', parentId: b }))] })
    expect((await take(follower)).position).toBe(last)
  })

  test('a thousand changes that are not acknowledged cost no more than their bound', async () => {
    const { write, open, followers, clock } = world()
    write({ agents: [agentOf('a')] })
    const follower = open(a)
    await take(follower)
    for (let revision = 0; revision < 3000; revision += 1) {
      write({ entries: [put(entryOf({ id: 'x', revision }))] })
    }
    await clock.advance(50)
    expect(followers.status()[0]?.lagMs).toBe(50)
    follower.acknowledge((await take(follower)).position)
    expect(followers.status()[0]?.lagMs).toBe(0)
  })

  test('who waits is woken by the acknowledgement, by the agent leaving, and by its own signal', async () => {
    const { write, open, followers } = world()
    write({ agents: [agentOf('a')] })
    const never = new AbortController().signal
    for (const wake of ['acknowledge', 'leave', 'abort'] as const) {
      const follower = open(a)
      await take(follower)
      const position = write({ entries: [put(entryOf({ id: wake }))] })
      const waiting = new AbortController()
      let woken = false
      const done = followers
        .applied([a, b], position, AbortSignal.any([waiting.signal, never]))
        .then(() => {
          woken = true
        })
      await new Promise(setImmediate)
      expect(woken).toBe(false)
      if (wake === 'acknowledge') follower.acknowledge((await take(follower)).position)
      else if (wake === 'leave') followers.close(follower)
      else waiting.abort()
      await done
      followers.close(follower)
    }
  })
})

describe('streams', () => {
  test('a second stream of an agent takes the place of the first, whose end does not end it', async () => {
    const { write, open, followers } = world()
    write({ agents: [agentOf('a')], entries: [put(entryOf({ id: 'x' }))] })
    const first = open(a)
    await take(first)
    const waiting = reasonOf(first.next())
    const second = open(a)
    expect(await waiting).toBe('stream-replaced')
    followers.close(first)
    expect([followers.size, followers.isConnected(a)]).toEqual([1, true])
    expect(idsOf(await take(second))).toEqual(['x'])
    followers.close(second)
    expect([followers.size, followers.isConnected(a)]).toEqual([0, false])
  })

  test('T26 a cut ends the stream with its error, whatever is waiting to be told', async () => {
    const { write, open, followers } = world()
    write({ agents: [agentOf('a')], entries: [put(entryOf({ id: 'x' }))] })
    const follower = open(a)
    followers.cut(
      a,
      new CountersignError('forbidden', 'agent is banned', { reason: 'agent-banned' }),
    )
    expect(await reasonOf(follower.next())).toBe('agent-banned')
  })
})

describe('two processes with the SVID of one agent', () => {
  test('the one that was replaced is kept out while the other is there, and both are named', async () => {
    const { write, open, followers, duplicated } = world()
    write({ agents: [agentOf('a'), agentOf('b')] })
    const first = open(a, 'first')
    const second = open(a, 'second')
    expect(await reasonOf(first.next())).toBe('stream-replaced')
    followers.close(first)
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect(() => open(a, 'first')).toThrow(
        expect.objectContaining({ reason: 'agent-duplicated', retryAfterMs: 30_000 }),
      )
    }
    expect(duplicated).toEqual([a])
    expect(followers.status()).toMatchObject([{ agentId: a, contended: true }])
    await take(second)
    // The other agent is none of this, and a stream that is over leaves its place.
    open(b, 'first')
    followers.close(second)
    open(a, 'first')
    expect(followers.status().map(({ contended }) => contended)).toEqual([false, false])
  })

  test('a process that reconnects, one that starts again, and one that does not say are let in', async () => {
    const { write, open, duplicated } = world()
    write({ agents: [agentOf('a')] })
    for (const instance of ['one', 'one', 'two', 'two', 'three', '', '']) {
      await take(open(a, instance))
    }
    expect(duplicated).toEqual([])
  })
})

describe('a change that could not be told', () => {
  test('T26 ends the streams that miss it, and each begins with a snapshot, whatever it held', async () => {
    const w = world()
    w.write({ agents: [agentOf('a'), agentOf('b')], entries: [put(entryOf({ id: 'x' }))] })
    const follower = w.open(a)
    const held = (await take(follower)).position
    const { agentsConcernedBy } = w.index
    w.index.agentsConcernedBy = () => {
      throw new Error('a bug')
    }
    w.write({ entries: [gone('x'), put(entryOf({ id: 'y' }))] })
    w.index.agentsConcernedBy = agentsConcernedBy
    w.write({ entries: [put(entryOf({ id: 'z' }))] })
    expect(await reasonOf(follower.next())).toBe('stream-fault')
    w.followers.close(follower)
    const again = w.followers.open(a, '', w.resume(a, held))
    const group = await take(again)
    expect(group.snapshot).toBe(true)
    expect(idsOf(group)).toEqual(['y', 'z'])
  })

  test('T26 of one agent alone ends its stream and no other', async () => {
    const w = world()
    w.write({ agents: [agentOf('a'), agentOf('b')] })
    const [one, other] = [w.open(a), w.open(b)]
    await take(one)
    await take(other)
    one.skipTo = one.add = () => {
      throw new Error('a bug')
    }
    w.write({ entries: [put(entryOf({ id: 'x' }))] })
    expect(await reasonOf(one.next())).toBe('stream-fault')
    w.write({ bundles: [[trustDomain, bundleOf(trustDomain, 7n)]] })
    expect((await take(other)).bundles).toHaveLength(1)
  })
})

const step = fc.oneof(
  { weight: 4, arbitrary: drawnWrites.map((change) => ({ do: 'write' as const, change })) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('take' as const, 'acknowledge' as const, 'leave' as const),
      name: fc.constantFrom(...names),
    }),
  },
)

test('T26 whatever changes and whoever comes and goes, an agent that applies its groups holds exactly what it may', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 24 }), async (steps) => {
      const w = world()
      w.write({ agents: names.map((name) => agentOf(name)) })
      const agents = new Map(names.map((name) => [name, new ModelAgent(agentIdOf(name))]))
      const writer = new Writer(w)
      const connect = (agent: ModelAgent): Follower => {
        agent.follower ??= w.followers.open(agent.id, '', w.resume(agent.id, agent.position))
        return agent.follower
      }
      for (const one of steps) {
        if (one.do === 'write') {
          writer.write(one.change)
          continue
        }
        const agent = agents.get(one.name) as ModelAgent
        if (one.do === 'leave') {
          if (agent.follower !== undefined) w.followers.close(agent.follower)
          agent.follower = undefined
        } else if (one.do === 'take') agent.apply(await take(connect(agent)))
        else agent.follower?.acknowledge(agent.position)
      }
      for (const agent of agents.values()) {
        agent.apply(await take(connect(agent)))
        expect(agent.entries).toEqual(w.index.authorisedFor(agent.id))
        expect(agent.bundles).toEqual(w.bundles)
        expect(agent.position).toBe(w.log.length)
        agent.follower?.acknowledge(agent.position)
        expect(w.followers.hasApplied(agent.id, w.log.length)).toBe(true)
      }
    }),
    { numRuns: 3000 },
  )
}, 120_000)

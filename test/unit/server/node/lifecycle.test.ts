import { beforeEach, describe, expect, test } from 'vitest'
import {
  hashJoinToken,
  joinTokenAttestor,
  joinTokenType,
  newJoinToken,
} from '../../../../server/node/join-token.ts'
import {
  attestAgent,
  banAgent,
  evictAgent,
  type NodeDeps,
  promotePendingSvid,
  renewAgent,
} from '../../../../server/node/lifecycle.ts'
import type { Cause } from '../../../../server/revocation/write-facts.ts'
import { loadAgents, putAgent } from '../../../../server/store/agents.ts'
import { consumeJoinToken, createJoinToken } from '../../../../server/store/join-tokens.ts'
import type { AgentRecord } from '../../../../server/store/records.ts'
import type { Store } from '../../../../server/store/store.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import type { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { createCsr } from '../../../../src/x509/csr.ts'
import { generateKeyPair, softwareSigner } from '../../../../src/x509/key.ts'
import { anAgent, tempStore, trustDomain } from '../store/fixture.ts'

const act = { actor: { kind: 'local', uid: 0, pid: 1 }, requestId: 'r' } as const
const before = anAgent('a', { serial: '01' })

let store: Store
let deps: NodeDeps
let signed: SpiffeId[]
let left: string[]
let recorded: AuditEvent[]
/** What happens to the agent between reading and commit. */
let whileSigning: () => Promise<unknown>

beforeEach(async () => {
  recorded = []
  store = await tempStore({ beforeCommit: async (events) => void recorded.push(...events) })
  signed = []
  left = []
  whileSigning = async () => {}
  const ca = {
    async signAgentX509(spiffeId: SpiffeId) {
      signed.push(spiffeId)
      const svid = {
        spiffeId,
        chain: [Buffer.alloc(1)],
        serial: `new${signed.length}`,
        notBefore: new Date(0),
        expiresAt: new Date('2026-06-02T12:00:00Z'),
      }
      await whileSigning()
      const event = { kind: 'svid.x509.issued', serial: svid.serial, time: new Date(0), ...act }
      return {
        svid,
        event: { ...event, decision: 'allow' },
        confirm: async () => {},
        left: () => left.push(svid.serial),
      }
    },
  }
  deps = {
    trustDomain,
    store,
    changes: { reached: async () => {} },
    index: { authorisedFor: () => new Map() },
    writeFacts: async () => 0,
    ca,
    clock: new FakeClock(),
    attestors: new Map([[joinTokenType, joinTokenAttestor(store, new FakeClock())]]),
  } as unknown as NodeDeps
  await put(before)
})

async function put(agent: AgentRecord): Promise<void> {
  await store.write((tx) => putAgent(tx, agent))
}

async function load(): Promise<AgentRecord | undefined> {
  return (await loadAgents(store.db, [before.id]))[0]
}

async function csr(): Promise<Buffer> {
  const { privateKey } = await generateKeyPair('ec-p256')
  return createCsr(softwareSigner(privateKey))
}

const shown = (serial: string) => ({ spiffeId: before.id, serial })

describe('T26 what was true when a renewal was let in is looked at again where it is written', () => {
  test.each([
    ['banned', () => banAgent(deps, before.id, act), 'agent-banned'],
    ['evicted', () => evictAgent(deps, before.id, act), 'agent-not-attested'],
    ['given another SVID', () => put({ ...before, serial: '02' }), 'agent-not-active'],
  ])('an agent that was %s meanwhile gets no SVID', async (_, change, reason) => {
    await change()
    await expect(renewAgent(deps, shown('01'), await csr(), act)).rejects.toMatchObject({
      code: 'forbidden',
      reason,
    })
    expect(signed).toEqual([])
  })

  test.each([
    ['banned', () => banAgent(deps, before.id, act), 'agent-banned'],
    ['evicted', () => evictAgent(deps, before.id, act), 'agent-not-attested'],
    ['given another SVID', () => put({ ...before, serial: '02' }), 'agent-not-active'],
  ])(
    'nor does one that was %s while it was signed: it is neither kept nor on record',
    async (_, change, reason) => {
      whileSigning = change
      await expect(renewAgent(deps, shown('01'), await csr(), act)).rejects.toMatchObject({
        code: 'forbidden',
        reason,
      })
      expect(signed).toHaveLength(1)
      expect(left).toEqual([])
      expect((await load())?.pendingSerial ?? '').toBe('')
      expect(recorded.map(({ kind }) => kind)).not.toContain('svid.x509.issued')
    },
  )

  test('an agent that is as it was gets one, pending', async () => {
    const { serial } = await renewAgent(deps, shown('01'), await csr(), act)
    expect(await load()).toMatchObject({ serial: '01', pendingSerial: serial })
    expect(left).toEqual([serial])
  })

  test('a renewal, a ban and an eviction are on record, with whose doing they were', async () => {
    await renewAgent(deps, shown('01'), await csr(), act)
    await banAgent(deps, before.id, act)
    await evictAgent(deps, before.id, act)
    const ours = recorded.filter(({ kind }) => kind.startsWith('agent.'))
    expect(ours).toMatchObject(
      ['agent.renewed', 'agent.banned', 'agent.evicted'].map((kind) => ({
        ...{ kind, spiffeId: before.id, ...act },
      })),
    )
  })

  test('a version that it reports meanwhile is no reason to refuse it', async () => {
    whileSigning = () => put({ ...before, version: '2' })
    const { serial } = await renewAgent(deps, shown('01'), await csr(), act)
    expect(await load()).toMatchObject({ version: '2', pendingSerial: serial })
  })
})

describe('T17 a join token', () => {
  const token = 'a token that somebody was given'
  const attest = async (given = token) =>
    attestAgent(
      deps,
      joinTokenType,
      { payload: Buffer.from(given), challenge: () => Promise.reject(new Error('no')) },
      await csr(),
      act,
    )
  let agentId: SpiffeId

  beforeEach(async () => {
    const { record } = newJoinToken({
      trustDomain,
      given: token,
      expiresAt: new Date('2026-06-01T12:10:00Z'),
    })
    agentId = record.agentId
    await store.write((tx) => createJoinToken(tx, record))
  })

  test('is good for one of any number that were signed for at the same time', async () => {
    const all = Promise.withResolvers<void>()
    whileSigning = () => {
      if (signed.length === 50) all.resolve()
      return all.promise
    }
    const results = await Promise.allSettled(Array.from({ length: 50 }, () => attest()))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason.reason).toBe('join-token-refused')
    }
    const issued = recorded.filter(({ kind }) => kind === 'svid.x509.issued')
    const [agent] = await loadAgents(store.db, [agentId])
    expect(issued.map(({ serial }) => serial)).toEqual([agent?.serial])
    expect(left).toEqual([agent?.serial])
  })

  test('holds no other writer up while it is signed for', async () => {
    const signing = Promise.withResolvers<void>()
    whileSigning = () => signing.promise
    const attesting = attest()
    await expect.poll(() => signed.length).toBe(1)
    await put({ ...before, version: '2' })
    signing.resolve()
    await attesting
  })

  test('is not lost where signing fails, the disk refuses, or the agent is banned meanwhile', async () => {
    whileSigning = () => Promise.reject(new Error('no key'))
    await expect(attest()).rejects.toThrow('no key')
    whileSigning = () => put(anAgent('b', { id: agentId, banned: true }))
    await expect(attest()).rejects.toMatchObject({ reason: 'agent-banned' })
    await evictAgent(deps, agentId, act)
    whileSigning = async () => {}
    expect(await attest()).toMatchObject({ agentId })
    await expect(attest()).rejects.toMatchObject({ reason: 'join-token-refused' })
  })

  test('that nobody made, or that somebody used or remade meanwhile, gets nothing', async () => {
    await expect(attest('another token entirely')).rejects.toMatchObject({
      reason: 'join-token-refused',
    })
    expect(signed).toEqual([])
    whileSigning = () =>
      store.write(async (tx) => {
        await consumeJoinToken(tx, hashJoinToken(token), new Date(0))
        const { record } = newJoinToken({
          trustDomain,
          given: token,
          expiresAt: new Date('2026-06-01T12:10:00Z'),
        })
        await createJoinToken(tx, record)
      })
    await expect(attest()).rejects.toMatchObject({ reason: 'join-token-refused' })
  })
})

describe('the first use of a renewed SVID', () => {
  test('makes it the one that counts, once for any number of calls', async () => {
    const { serial } = await renewAgent(deps, shown('01'), await csr(), act)
    await Promise.all([1, 2, 3].map(() => promotePendingSvid(deps, shown(serial))))
    expect(await load()).toMatchObject({ serial, pendingSerial: '' })
  })

  test('T26 counts for nothing where it is pending no longer', async () => {
    const first = await renewAgent(deps, shown('01'), await csr(), act)
    const second = await renewAgent(deps, shown('01'), await csr(), act)
    await expect(promotePendingSvid(deps, shown(first.serial))).rejects.toMatchObject({
      reason: 'agent-not-active',
    })
    await banAgent(deps, before.id, act)
    await expect(promotePendingSvid(deps, shown(second.serial))).rejects.toMatchObject({
      reason: 'agent-banned',
    })
    await evictAgent(deps, before.id, act)
    await expect(promotePendingSvid(deps, shown(second.serial))).rejects.toMatchObject({
      reason: 'agent-not-attested',
    })
  })
})

describe('T26 what a node had is revoked with it', () => {
  const causes: Cause[] = []
  let held: readonly string[]
  const revoking = (): NodeDeps =>
    ({
      ...deps,
      index: {
        authorisedFor: () => new Map(held.map((id) => [id, { id, spiffeId: `/${id}` }])),
        ofId: (spiffeId: string) => [
          { id: spiffeId.slice(1) },
          { id: 'another', ...(spiffeId === '/own' && { disabledAt: new Date() }) },
        ],
        agentsFor: ([id]: readonly string[]) => new Set(id === 'shared' ? ['a', 'b'] : ['a']),
      },
      async writeFacts(_tx: unknown, given: readonly Cause[]) {
        causes.push(...given)
        return 0
      },
    }) as unknown as NodeDeps

  beforeEach(() => {
    causes.length = 0
    held = ['own', 'shared']
  })

  test('when it is banned, whatever it had: whoever has the node has the keys', async () => {
    await banAgent(revoking(), before.id, act)
    expect(causes.map(({ kind, id }) => [kind, id])).toEqual([
      ['node', before.id],
      ['entry', 'own'],
      ['entry', 'shared'],
      ['spiffe-id', '/own'],
      ['spiffe-id', '/shared'],
    ])
  })

  test('when it is evicted, what no other node has, and of IDs what no other enabled entry carries', async () => {
    held = ['own', 'shared', 'twin']
    await evictAgent(revoking(), before.id, act)
    expect(causes.map(({ kind, id }) => [kind, id])).toEqual([
      ['node', before.id],
      ['entry', 'own'],
      ['entry', 'twin'],
      ['spiffe-id', '/own'],
    ])
  })
})

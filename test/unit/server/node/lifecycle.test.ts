import { beforeEach, describe, expect, test } from 'vitest'
import {
  banAgent,
  evictAgent,
  type NodeDeps,
  promotePendingSvid,
  renewAgent,
} from '../../../../server/node/lifecycle.ts'
import { loadAgents, putAgent } from '../../../../server/store/agents.ts'
import type { AgentRecord } from '../../../../server/store/records.ts'
import type { Store } from '../../../../server/store/store.ts'
import type { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { createCsr } from '../../../../src/x509/csr.ts'
import { generateKeyPair, softwareSigner } from '../../../../src/x509/key.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { anAgent, tempStore, trustDomain } from '../store/fixture.ts'

const act = { actor: { kind: 'local', uid: 0, pid: 1 }, requestId: 'r' } as const
const before = anAgent('a', { serial: '01' })

let store: Store
let deps: NodeDeps
let signed: SpiffeId[]

beforeEach(async () => {
  store = await tempStore()
  signed = []
  const ca = {
    async issueAgentX509(spiffeId: SpiffeId) {
      signed.push(spiffeId)
      return {
        spiffeId,
        chain: [Buffer.alloc(1)],
        serial: `new${signed.length}`,
        notBefore: new Date(0),
        expiresAt: new Date('2026-06-02T12:00:00Z'),
      }
    },
  }
  deps = {
    trustDomain,
    store,
    changes: { reached: async () => {} },
    index: {},
    ca,
    clock: new FakeClock(),
    attestors: new Map(),
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

  test('an agent that is as it was gets one, pending', async () => {
    const { serial } = await renewAgent(deps, shown('01'), await csr(), act)
    expect(await load()).toMatchObject({ serial: '01', pendingSerial: serial })
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

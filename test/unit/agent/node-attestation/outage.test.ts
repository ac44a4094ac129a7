import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type KeyStore, openKeyStore } from '../../../../agent/key-store/key-store.ts'
import { ServerConnection } from '../../../../agent/node-attestation/connection.ts'
import { AgentIdentity } from '../../../../agent/node-attestation/identity.ts'
import { Membership } from '../../../../agent/sync/membership.ts'
import { AgentState } from '../../../../agent/sync/state.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { bundleToWire } from '../../../../src/rpc/convert.ts'
import type { AttestAgentRequest } from '../../../../src/rpc/gen/spire/api/server/agent/v1/AttestAgentRequest.ts'
import type { RenewAgentRequest } from '../../../../src/rpc/gen/spire/api/server/agent/v1/RenewAgentRequest.ts'
import { bidiStream, unary } from '../../../../src/rpc/handler.ts'
import { serviceDefinition } from '../../../../src/rpc/services.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { Secret } from '../../../../src/runtime/secret.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { parseCsr } from '../../../../src/x509/csr.ts'
import type { CertificateAuthority } from '../../../../src/x509/issue.ts'
import { reasonOfAsync } from '../../../support/x509-fixtures.ts'
import { serve } from '../../rpc/harness.ts'
import {
  agentId,
  bundleWith,
  hourMs,
  leafFor,
  makeCa,
  settle,
  trustDomain,
} from '../cache/fixture.ts'

const never = new AbortController().signal
const away = new CountersignError('unavailable', 'away', { reason: 'away' })

let ca: CertificateAuthority

beforeAll(async () => {
  // In force long before and after, so that clocks may differ by a day.
  ca = await makeCa(trustDomain, new Date('2026-05-25T12:00:00Z'))
})

interface Node {
  readonly clock: FakeClock
  readonly store: KeyStore
  readonly identity: AgentIdentity
  readonly connection: ServerConnection
  /** What the server was asked: `bundle`, a token, `renew`. */
  readonly asked: string[]
  readonly adopted: Bundle[]
  readonly dialled: string[]
  /** How the server answers. */
  bundle: Bundle
  fails: CountersignError | undefined
  signs: SpiffeId
  serverAheadMs: number
}

/** An agent with two addresses, and a server that signs by the fake clock. */
async function node({ tellsTime = false } = {}): Promise<Node> {
  const folder = mkdtempSync(join(tmpdir(), 'outage-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { server, dial } = await serve()
  const clock = new FakeClock()
  const store = await openKeyStore(join(folder, 'data'), trustDomain)
  const dialled: string[] = []
  const connection = new ServerConnection({
    addresses: [
      { host: 'a', port: 1 },
      { host: 'b', port: 1 },
    ],
    dial({ host }) {
      dialled.push(host)
      return dial()
    },
  })
  onTestFinished(() => connection.close())
  const adopted: Bundle[] = []
  const identity = new AgentIdentity({
    trustDomain,
    store,
    trust: { verify: () => agentId, adopt: (bundle) => void adopted.push(bundle) },
    connection,
    joinToken: async () => new Secret('token'),
    bundle: () => bundleWith([{ ca }]),
    clock,
    log: silentLog,
    random: () => 0.5,
  })
  const at: Node = {
    clock,
    store,
    identity,
    connection,
    asked: [],
    adopted,
    dialled,
    bundle: bundleWith([{ ca }]),
    fails: undefined,
    signs: agentId,
    serverAheadMs: 0,
  }
  const hear = (what: string): void => {
    at.asked.push(what)
    if (at.fails !== undefined) throw at.fails
  }
  const sign = async (csr: Buffer = Buffer.alloc(0)) => {
    const life = {
      from: new Date(clock.now().getTime() + at.serverAheadMs),
      ttlMs: hourMs,
    }
    return { cert_chain: [await leafFor(parseCsr(csr).spki, { spiffeId: at.signs }, ca, life)] }
  }
  server.addService(serviceDefinition('spire.api.server.bundle.v1.Bundle'), {
    GetBundle: unary(() => {
      hear('bundle')
      return bundleToWire(at.bundle)
    }),
  })
  if (tellsTime) {
    server.addService(serviceDefinition('countersign.clock.v1.Clock'), {
      Now: unary(() => ({ now_ms: clock.now().getTime() + at.serverAheadMs })),
    })
  }
  server.addService(serviceDefinition('spire.api.server.agent.v1.Agent'), {
    AttestAgent: bidiStream(async function* (requests: AsyncIterable<AttestAgentRequest>) {
      for await (const { params } of requests) {
        hear(String(params?.data?.payload))
        yield { result: { svid: await sign(params?.params?.csr) } }
        return
      }
    }),
    RenewAgent: unary(async ({ params }: RenewAgentRequest) => {
      hear('renew')
      return { svid: await sign(params?.csr) }
    }),
  })
  return at
}

async function member(): Promise<Node> {
  const at = await node()
  await at.identity.ensure(never)
  at.asked.length = 0
  at.dialled.length = 0
  return at
}

async function renewing(at: Node, act: () => Promise<void>): Promise<void> {
  const over = new AbortController()
  const running = at.identity.renew(over.signal).catch((error) => {
    if (!over.signal.aborted) throw error
  })
  try {
    await act()
  } finally {
    over.abort()
    await running
  }
  expect(at.clock.sleeping).toBe(0)
}

/** Lets the time pass in steps; before each the loop has ended its call and sleeps again. */
async function pass(at: Node, ms: number, stepMs: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await at.clock.advance(stepMs)
    await expect.poll(() => at.clock.sleeping, { interval: 1 }).toBe(1)
    await settle()
  }
}

describe('joining while servers are away', () => {
  test('F7 goes on at the next address each time, after waits of at most 3 s', async () => {
    const at = await node()
    at.fails = away
    const joined = at.identity.ensure(never)
    for (let round = 1; round <= 8; round += 1) {
      await expect.poll(() => at.clock.sleeping, { interval: 1 }).toBe(1)
      expect(at.asked.length).toBeGreaterThanOrEqual(round)
      if (round === 8) at.fails = undefined
      await at.clock.advance(3000)
    }
    await joined
    expect(at.dialled.slice(0, 4)).toEqual(['a', 'b', 'a', 'b'])
    expect(at.identity.isAlive()).toBe(true)
  })

  test('T17 a server with the bundle of another, or an empty one, gets no token', async () => {
    for (const bundle of [
      bundleWith([{ ca }], { trustDomain: TrustDomain.parse('else.test') }),
      bundleWith([]),
    ]) {
      const at = await node()
      at.bundle = bundle
      expect(await reasonOfAsync(() => at.identity.ensure(never))).toBe('server-bundle')
      expect(at.asked).toEqual(['bundle'])
      expect(at.adopted).toEqual([])
    }
  })
})

describe('renewing while servers are away', () => {
  test('F7 is tried again every few seconds with what there is, and succeeds at the end', async () => {
    const at = await member()
    const first = at.identity.shown()
    at.fails = away
    await renewing(at, async () => {
      await pass(at, hourMs / 2 + 60_000, 60_000)
      at.asked.length = 0
      await pass(at, 30_000, 500)
      expect(at.asked.length).toBeGreaterThanOrEqual(9)
      expect(at.asked.length).toBeLessThanOrEqual(21)
      expect(at.identity.shown()).toBe(first)
      at.fails = undefined
      await pass(at, 3500, 500)
      expect(at.identity.shown()).not.toBe(first)
    })
  })

  test('F7 a server that has too much to do is asked when it says, but not too late for that', async () => {
    const at = await member()
    const busy = (retryAfterMs: number) =>
      new CountersignError('exhausted', 'busy', { reason: 'rate-limited', retryAfterMs })
    at.fails = busy(20_000)
    await renewing(at, async () => {
      await pass(at, hourMs / 2 + 60_000, 60_000)
      at.asked.length = 0
      await pass(at, 120_000, 500)
      expect(at.asked.length).toBeGreaterThanOrEqual(5)
      expect(at.asked.length).toBeLessThanOrEqual(7)
      at.fails = busy(3_600_000)
      await pass(at, 20_000, 500)
      at.fails = undefined
      const first = at.identity.shown()
      await pass(at, 180_000, 1000)
      expect(at.identity.shown()).not.toBe(first)
    })
  })

  test('takes no SVID of another agent', async () => {
    const at = await member()
    const first = at.identity.shown()
    at.signs = SpiffeId.parse('spiffe://example.org/spire/agent/join_token/other')
    await renewing(at, () => pass(at, hourMs / 2 + 60_000, 60_000))
    expect(at.asked).toContain('renew')
    expect(at.identity.shown()).toBe(first)
    expect(await at.store.loadIdentity()).toMatchObject({ current: first, pending: undefined })
  })

  test('T20 a server that refuses, as its clock is a day ahead say, is asked ever more seldom, and again within a minute', async () => {
    const at = await member()
    const first = at.identity.shown()
    at.fails = new CountersignError('unauthenticated', 'expired', { reason: 'agent-expired' })
    await renewing(at, async () => {
      await pass(at, hourMs / 2 + 60_000, 60_000)
      at.asked.length = 0
      await pass(at, 600_000, 1000)
      expect(at.asked.length).toBeGreaterThanOrEqual(8)
      expect(at.asked.length).toBeLessThanOrEqual(25)
      expect(at.identity.shown()).toBe(first)
      at.fails = undefined
      await pass(at, 61_000, 1000)
      expect(at.identity.shown()).not.toBe(first)
    })
  })

  test('F14 shows no SVID that could not be written', async () => {
    const at = await member()
    const first = at.identity.shown()
    const save = at.store.saveIdentity
    at.store.saveIdentity = async () => {
      throw new CountersignError('unavailable', 'full', { reason: 'data-unwritable' })
    }
    await renewing(at, async () => {
      await pass(at, hourMs / 2 + 60_000, 60_000)
      expect(at.asked).toContain('renew')
      expect(at.identity.shown()).toBe(first)
      at.store.saveIdentity = save
      await pass(at, 4000, 1000)
      expect(at.identity.shown()).not.toBe(first)
    })
  })

  test('T20 a wall clock that jumps moves no renewal', async () => {
    for (const jumpMs of [-24 * hourMs, -hourMs, hourMs / 4]) {
      const at = await member()
      await renewing(at, async () => {
        await pass(at, 60_000, 60_000)
        at.clock.jump(jumpMs)
        at.serverAheadMs = -jumpMs
        await pass(at, hourMs / 2 - 180_000, 60_000)
        expect(at.asked).toEqual([])
        await pass(at, 180_000, 60_000)
        expect(at.asked).toEqual(['renew'])
      })
    }
  })

  test.each([
    ['an hour behind', hourMs],
    ['a day behind', 24 * hourMs],
    ['almost a lifetime ahead', -0.9 * hourMs],
    ['an hour ahead', -hourMs],
    ['a day ahead', -24 * hourMs],
  ])(
    'T20 with a clock that is %s each SVID is renewed once, at half of its life',
    async (_, aheadMs) => {
      const at = await node()
      at.serverAheadMs = aheadMs
      await at.identity.ensure(never)
      at.asked.length = 0
      await renewing(at, async () => {
        await pass(at, hourMs * 0.45, 60_000)
        expect(at.asked).toEqual([])
        for (let life = 1; life <= 4; life += 1) {
          await pass(at, hourMs * 0.5, 60_000)
          expect(at.asked).toHaveLength(life)
          expect(at.identity.isAlive()).toBe(true)
        }
      })
    },
  )

  test('T20 a clock that is set right makes an SVID look as old as it is', async () => {
    const at = await node()
    at.serverAheadMs = -24 * hourMs
    await at.identity.ensure(never)
    expect(at.identity.isAlive()).toBe(true)
    await at.clock.advance(hourMs / 2)
    at.clock.jump(-24 * hourMs)
    expect(at.identity.isAlive()).toBe(true)
    await at.clock.advance(hourMs)
    expect(at.identity.isAlive()).toBe(false)
  })

  test('T20 a clock that jumps ahead after the SVID came is read as it stands', async () => {
    const at = await member()
    at.clock.jump(2 * hourMs)
    expect(at.identity.isAlive()).toBe(false)
    at.clock.jump(-2 * hourMs)
    await at.clock.advance(2 * hourMs)
    expect(at.identity.isAlive()).toBe(false)
  })
})

describe('T20 a clock that is wrong when the node joins', () => {
  test.each([
    ['behind', 60_000],
    ['behind', 30 * 24 * hourMs],
    ['ahead', -hourMs],
    ['ahead', -24 * hourMs],
  ])('is found out before the token is spent: %s', async (how, aheadMs) => {
    const at = await node({ tellsTime: true })
    at.serverAheadMs = aheadMs
    const hindered: CountersignError[] = []
    const joined = at.identity.ensure(never, (error) => void hindered.push(error))
    for (let round = 0; round < 3; round += 1) {
      await expect.poll(() => at.clock.sleeping, { interval: 1 }).toBe(1)
      await at.clock.advance(3000)
    }
    expect(hindered[0]).toMatchObject({
      reason: `clock-${how}`,
      message: expect.stringContaining(`${Math.abs(aheadMs) / 1000} s ${how}`),
    })
    expect(at.asked).not.toContain('token')
    await expect.poll(() => at.clock.sleeping, { interval: 1 }).toBe(1)
    at.clock.jump(aheadMs)
    at.serverAheadMs = 0
    await at.clock.advance(3000)
    await joined
    expect(at.asked.filter((what) => what === 'token')).toHaveLength(1)
  })

  test.each([8000, 0, -300_000])('does not matter where it is off by %i ms', async (aheadMs) => {
    const at = await node({ tellsTime: true })
    at.serverAheadMs = aheadMs
    await at.identity.ensure(never)
    expect(at.asked).toEqual(['bundle', 'token'])
  })

  test('loses no SVID where the server does not tell the time: it is kept, and shown', async () => {
    const at = await node()
    at.serverAheadMs = hourMs
    await at.identity.ensure(never)
    const shown = at.identity.shown()
    expect(shown?.notBefore.getTime()).toBeGreaterThan(at.clock.now().getTime())
    expect(at.identity.isAlive()).toBe(true)
    expect((await at.store.loadIdentity())?.current).toEqual(shown)
  })
})

describe('an SVID that a server does not count', () => {
  async function membership() {
    const at = await member()
    const state = new AgentState(at.clock)
    state.contact()
    let withdrawn = 0
    const deps = {
      identity: at.identity,
      connection: at.connection,
      state,
      joinToken: async () => new Secret('token'),
      withdraw: async () => {
        withdrawn += 1
      },
      clock: at.clock,
      log: silentLog,
    }
    const refused = new CountersignError('forbidden', 'no', { reason: 'agent-not-active' })
    const lost = () => new Membership(deps).lost(refused, never)
    return { at, lost, withdrawn: () => withdrawn }
  }

  test('T19 gives way to the one before, and no workload notices', async () => {
    const { at, lost, withdrawn } = await membership()
    const first = at.identity.shown()
    await renewing(at, () => pass(at, hourMs / 2 + 60_000, 60_000))
    expect(at.identity.shown()).not.toBe(first)
    expect(await lost()).toBe(0)
    expect(at.identity.shown()).toBe(first)
    expect(withdrawn()).toBe(0)
    // That one neither: the server knows this agent no more.
    at.asked.length = 0
    expect(await lost()).toBe(0)
    expect(withdrawn()).toBe(1)
    expect(at.asked).toEqual(['bundle', 'token'])
  })

  test('T19 a server that fails over withdraws nothing, and the next address has its turn', async () => {
    const { at, withdrawn } = await membership()
    const state = new AgentState(at.clock)
    state.contact()
    const member = new Membership({
      identity: at.identity,
      connection: at.connection,
      state,
      joinToken: async () => undefined,
      withdraw: async () => undefined,
      clock: at.clock,
      log: silentLog,
    })
    at.connection.channel
    await member.lost(away, never)
    at.connection.channel
    expect(at.dialled.slice(-2)).toEqual(['a', 'b'])
    expect(state.status).toBe('offline-serving')
    expect(withdrawn()).toBe(0)
  })
})

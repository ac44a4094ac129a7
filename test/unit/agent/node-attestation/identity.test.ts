import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type KeyStore, openKeyStore } from '../../../../agent/key-store/key-store.ts'
import { fetchBundle } from '../../../../agent/node-attestation/attest.ts'
import { ServerConnection } from '../../../../agent/node-attestation/connection.ts'
import { AgentIdentity } from '../../../../agent/node-attestation/identity.ts'
import { openServerTrust } from '../../../../agent/node-attestation/server-trust.ts'
import { Membership } from '../../../../agent/sync/membership.ts'
import { AgentState, type AgentStatus } from '../../../../agent/sync/state.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { Secret } from '../../../../src/runtime/secret.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { parseCertificate } from '../../../../src/x509/certificate.ts'
import type { CertificateAuthority } from '../../../../src/x509/issue.ts'
import { agentId, bundleWith, hourMs, makeCa, trustDomain } from '../cache/fixture.ts'
import { type FakeServer, startFakeServer } from './fake-server.ts'

let ca: CertificateAuthority
let server: FakeServer
let folder: string
let store: KeyStore
let clock: FakeClock
let token: Secret | undefined

beforeAll(async () => {
  ca = await makeCa(trustDomain, new Date())
})

beforeEach(async () => {
  server = await startFakeServer(ca)
  folder = mkdtempSync(join(tmpdir(), 'identity-'))
  store = await openKeyStore(folder, trustDomain)
  clock = new FakeClock(new Date())
  token = new Secret('a-token')
})

afterEach(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

interface Agent {
  readonly identity: AgentIdentity
  readonly connection: ServerConnection
  /** Makes a call over the connection of now, so that it is really made. */
  use(): Promise<void>
}

/** An agent's process: another one begins with what is on disk. */
async function startAgent(pinned: CertificateAuthority = ca): Promise<Agent> {
  const sha256 = [createHash('sha256').update(pinned.certificate.spki).digest('hex')]
  const held = await store.loadBundle()
  const trust = await openServerTrust({ trustDomain, clock, log: silentLog }, held, {
    by: 'ca-key',
    sha256,
  })
  const connection = new ServerConnection({
    addresses: [{ host: '127.0.0.1', port: 1 }],
    dial: () => server.dial(trust, () => (identity.isAlive() ? identity.shown() : undefined)),
  })
  const identity = new AgentIdentity({
    trustDomain,
    store,
    trust,
    connection,
    joinToken: async () => token,
    bundle: () => bundleWith([{ ca }]),
    clock,
    log: silentLog,
    random: () => 0.5,
  })
  await identity.load()
  const use = async (): Promise<void> => {
    await fetchBundle({ trustDomain, channel: connection.channel }, never)
  }
  return { identity, connection, use }
}

const never = new AbortController().signal
const serialOf = (agent: Agent): string =>
  parseCertificate(agent.identity.shown()?.chain[0] ?? Buffer.alloc(0)).serial

async function reasonOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => 'none',
    (error: CountersignError) => error.reason,
  )
}

describe('joining', () => {
  test('over real TLS: the token is shown, an SVID comes back, and both are kept', async () => {
    const agent = await startAgent()
    expect(agent.identity.isAlive()).toBe(false)
    await agent.identity.ensure(never)
    expect(agent.identity.agentId).toBe(agentId)
    expect(server.tokens).toEqual(['a-token'])
    const again = await startAgent()
    expect(again.identity.isAlive()).toBe(true)
    await again.use()
    expect(server.shown.at(-1)).toBe(serialOf(agent))
    expect((await store.loadBundle())?.x509Authorities).toHaveLength(1)
  })

  test('T17 the token goes to nobody whose CA is not the pinned one, nor to another member', async () => {
    const over = new AbortController()
    const other = await startAgent(await makeCa(trustDomain, new Date()))
    const joining = reasonOf(other.identity.ensure(over.signal))
    await expect.poll(() => clock.sleeping).toBe(1)
    over.abort(new CountersignError('cancelled', 'over', { reason: 'over' }))
    expect(await joining).toBe('over')
    await server.close()
    server = await startFakeServer(ca, SpiffeId.parse('spiffe://example.org/web'))
    const stop = new AbortController()
    const misled = reasonOf((await startAgent()).identity.ensure(stop.signal))
    await expect.poll(() => clock.sleeping).toBe(1)
    stop.abort(new CountersignError('cancelled', 'over', { reason: 'over' }))
    await misled
    expect(server.tokens).toEqual([])
  })

  test('an SVID of a workload, of a foreign CA, or with a key of others is refused', async () => {
    const { identity } = await startAgent()
    server.answerId = SpiffeId.parse('spiffe://example.org/web')
    expect(await reasonOf(identity.ensure(never))).toBe('agent-svid')
    server.answerId = agentId
    server.signer = await makeCa(trustDomain, new Date())
    expect(await reasonOf(identity.ensure(never))).toMatch(/^svid-chain-/)
    expect(await store.loadIdentity()).toBeUndefined()
  })

  test('without a token the exact command is said', async () => {
    token = undefined
    const { identity } = await startAgent()
    await expect(identity.ensure(never)).rejects.toMatchObject({
      reason: 'join-token-missing',
      fix: expect.stringMatching(/countersign token create.*agent run --join-token-file/),
    })
  })

  test('a server that is cut off in the middle is asked again, one that refuses is not', async () => {
    const { identity } = await startAgent()
    server.refusal = new CountersignError('internal', 'oh', { reason: 'internal' })
    const joining = reasonOf(identity.ensure(never))
    await expect.poll(() => server.tokens.length).toBe(1)
    await expect.poll(() => clock.sleeping).toBe(1)
    server.refusal = new CountersignError('invalid', 'used', { reason: 'join-token-refused' })
    await clock.advance(1000)
    expect(await joining).toBe('join-token-refused')
    expect(server.tokens).toHaveLength(2)
  })
})

describe('renewing', () => {
  /** Lets half of the SVID's life pass; resolves when the renewed one is on disk. */
  async function renewOnce(agent: Agent): Promise<void> {
    const over = new AbortController()
    const running = agent.identity.renew(over.signal).catch(() => undefined)
    await expect.poll(() => clock.sleeping).toBe(1)
    const { renewals } = server
    await clock.advance(hourMs / 2 + 1000)
    await expect.poll(async () => (await store.loadIdentity())?.pending).toBeDefined()
    expect(server.renewals).toBe(renewals + 1)
    over.abort()
    await running
  }

  test('happens at half of its life; old and new are kept until the new one was accepted', async () => {
    const agent = await startAgent()
    await agent.identity.ensure(never)
    const first = serialOf(agent)
    await agent.use()
    await renewOnce(agent)
    expect(serialOf(agent)).not.toBe(first)
    expect((await store.loadIdentity())?.current.spiffeId).toBe(agentId)
    await agent.use()
    expect(server.shown.at(-1)).toBe(serialOf(agent))
    await agent.identity.accepted()
    const stored = await store.loadIdentity()
    expect(stored?.pending).toBeUndefined()
    expect(parseCertificate(stored?.current.chain[0] ?? Buffer.alloc(0)).serial).toBe(
      serialOf(agent),
    )
  })

  test('T19 a crash before the new one was used locks nobody out, whichever the server counts', async () => {
    const agent = await startAgent()
    await agent.identity.ensure(never)
    const first = serialOf(agent)
    await renewOnce(agent)
    const renewed = serialOf(agent)
    const again = await startAgent()
    expect(serialOf(again)).toBe(renewed)
    // The server has lost sight of the new one.
    server.active.delete(renewed)
    expect(again.identity.showOther()).toBe(true)
    expect(serialOf(again)).toBe(first)
    await again.use()
    expect(server.shown.at(-1)).toBe(first)
    expect(again.identity.showOther()).toBe(false)
  })
})

describe('membership', () => {
  async function startMember() {
    const agent = await startAgent()
    const state = new AgentState(clock)
    const withdrawn: AgentStatus[] = []
    const membership = new Membership({
      ...agent,
      state,
      joinToken: async () => token,
      withdraw: async () => void withdrawn.push(state.status),
      clock,
      log: silentLog,
    })
    return { ...agent, state, withdrawn, membership }
  }

  const refusedWith = (reason: string) => new CountersignError('forbidden', 'no', { reason })

  test('F8 an agent that cannot prove its node waits for another token, and takes it', async () => {
    const { membership, state, identity } = await startMember()
    server.refusal = new CountersignError('invalid', 'used', { reason: 'join-token-refused' })
    const joining = membership.join(never)
    await expect.poll(() => state.status).toBe('must-rejoin')
    expect(state.unavailable()).toMatchObject({ reason: 'agent-must-rejoin' })
    await clock.advance(10_000)
    expect(server.tokens).toEqual(['a-token'])
    server.refusal = undefined
    token = new Secret('another')
    await clock.advance(1000)
    await joining
    expect(server.tokens).toEqual(['a-token', 'another'])
    expect(identity.isAlive()).toBe(true)
  })

  test('a token file that is gone stops nothing', async () => {
    const agent = await startAgent()
    const state = new AgentState(clock)
    const over = new AbortController()
    let gone = true
    const joinToken = async () => {
      if (gone) throw new CountersignError('invalid', 'gone', { reason: 'join-token-file' })
      return token
    }
    const membership = new Membership({
      ...agent,
      state,
      joinToken,
      withdraw: async () => undefined,
      clock,
      log: silentLog,
    })
    token = undefined
    const joining = membership.join(over.signal)
    await expect.poll(() => state.status).toBe('must-rejoin')
    gone = false
    token = new Secret('new')
    await clock.advance(1000)
    await joining
    expect(server.tokens).toEqual(['new'])
  })

  test('T26 a ban withdraws everything and is asked about ever so seldom', async () => {
    const { membership, state, withdrawn, identity } = await startMember()
    await identity.ensure(never)
    state.contact()
    expect(await membership.lost(refusedWith('agent-banned'), never)).toBe(10_000)
    expect(withdrawn).toEqual(['banned'])
    expect(state.unavailable()).toMatchObject({ reason: 'agent-banned' })
    expect(identity.isAlive()).toBe(true)
  })

  test('T19 an evicted agent withdraws everything, forgets its SVID and joins anew', async () => {
    const { membership, withdrawn, identity, state } = await startMember()
    await identity.ensure(never)
    state.contact()
    token = new Secret('second')
    expect(await membership.lost(refusedWith('agent-not-attested'), never)).toBe(0)
    expect(withdrawn).toHaveLength(1)
    expect(server.tokens).toEqual(['a-token', 'second'])
    expect(identity.isAlive()).toBe(true)
  })

  test('F7 a server that is away withdraws nothing', async () => {
    const { membership, withdrawn, identity, state } = await startMember()
    await identity.ensure(never)
    state.contact()
    const away = new CountersignError('unavailable', 'away', { reason: 'away', retryAfterMs: 700 })
    expect(await membership.lost(away, never)).toBe(700)
    expect(withdrawn).toEqual([])
    expect(state.unavailable()).toBeUndefined()
  })
})

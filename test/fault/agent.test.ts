import { randomBytes } from 'node:crypto'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { AgentConfig } from '../../agent/config.ts'
import { CountersignError } from '../../src/errors.ts'
import { createClient } from '../../src/rpc/client.ts'
import { dialUnix } from '../../src/rpc/dial.ts'
import { Secret } from '../../src/runtime/secret.ts'
import { runHere } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'
import { PROMPT_MS } from '../support/prompt.ts'
import { agentIdOf, type RunningAgent, startAgent } from '../support/running-agent.ts'
import {
  type RunningServer,
  startServer,
  trustDomain,
  wireEntry,
} from '../support/running-server.ts'

const cleanUp: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const act of cleanUp.splice(0).reverse()) await act()
})

function selfSelector(): string {
  return `unix:uid:${process.getuid?.()}`
}

async function server(options: Parameters<typeof startServer>[0] = {}): Promise<RunningServer> {
  const started = await startServer({
    ...options,
    overrides: {
      bindAddress: { host: '127.0.0.1', port: await freePort() },
      ...options.overrides,
    },
  })
  cleanUp.push(() => started.remove())
  return started
}

async function agentOf(
  running: RunningServer,
  options: Parameters<typeof startAgent>[1] = {},
): Promise<RunningAgent> {
  const agent = await startAgent(running, options)
  cleanUp.push(() => agent.stop())
  return agent
}

/** What a workload in this process gets: its IDs, or the reason and code of the refusal. */
async function ask(agent: Pick<RunningAgent, 'socket'>): Promise<string> {
  const channel = dialUnix(agent.socket)
  try {
    const stream = createClient('SpiffeWorkloadAPI', channel).serverStream(
      'FetchX509SVID',
      {},
      { metadata: { 'workload.spiffe.io': 'true' }, timeoutMs: 20_000 },
    )
    for await (const { svids } of stream) {
      return svids
        .map(({ spiffe_id }) => spiffe_id)
        .sort()
        .join()
    }
    return 'ended'
  } catch (error) {
    if (error instanceof CountersignError) return `${error.code} ${error.reason}`
    throw error
  } finally {
    channel.close()
  }
}

async function health(agent: Pick<RunningAgent, 'socket'>): Promise<string> {
  const channel = dialUnix(agent.socket)
  try {
    return (await createClient('grpc.health.v1.Health', channel).unary('Check', {})).status
  } finally {
    channel.close()
  }
}

async function registerSelf(running: RunningServer, path = '/self'): Promise<void> {
  const { results } = await running
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', {
      entries: [wireEntry({ path, parent: await agentIdOf(running), selectors: [selfSelector()] })],
    })
  expect(results[0]?.status?.code).toBe(0)
}

test('F6 an agent that restarts while the server is away serves what is still valid, at once', async () => {
  const running = await server()
  const agent = await startAgent(running)
  await registerSelf(running)
  await expect.poll(() => ask(agent)).toBe('spiffe://example.org/self')
  await agent.stop()
  await running.stop()
  const startedMs = performance.now()
  const again = await agentOf(running, { overrides: { dataDir: agent.config.dataDir } })
  expect(await ask(again)).toBe('spiffe://example.org/self')
  expect(await health(again)).toBe('SERVING')
  // It does not wait for the server first.
  expect(performance.now() - startedMs).toBeLessThan(PROMPT_MS)
})

test('F6 a cache on disk under a given key serves after a restart; under another key, or without, it does not open', async () => {
  const running = await server()
  const keyFile = join(running.folder, 'offline.key')
  writeFileSync(keyFile, randomBytes(32), { mode: 0o600 })
  const overrides: Partial<AgentConfig> = { offlineCacheKeyFile: keyFile }
  const agent = await startAgent(running, { overrides })
  const { dataDir } = agent.config
  await registerSelf(running)
  await expect.poll(() => ask(agent)).toBe('spiffe://example.org/self')
  await agent.stop()
  await running.stop()
  expect(readdirSync(dataDir)).toContain('cache.sealed')
  expect(readdirSync(dataDir)).not.toContain('cache.key')
  const again = await startAgent(running, { overrides: { ...overrides, dataDir } })
  expect(await ask(again)).toBe('spiffe://example.org/self')
  await again.stop()
  writeFileSync(keyFile, randomBytes(32).toString('hex'))
  const other = await agentOf(running, {
    overrides: { ...overrides, dataDir },
    waitUntilReady: false,
  })
  await expect.poll(() => ask(other)).toBe('unavailable agent-starting')
  expect(readdirSync(dataDir)).not.toContain('cache.sealed')
})

test('F6 without a cache the socket is there and says why nothing is served', async () => {
  const running = await server()
  const overrides: Partial<AgentConfig> = { offlineCache: false }
  const agent = await startAgent(running, { overrides })
  await registerSelf(running)
  await agent.stop()
  await running.stop()
  const again = await agentOf(running, { overrides, waitUntilReady: false })
  await expect.poll(() => ask(again)).toBe('unavailable agent-starting')
  expect(await health(again)).toBe('NOT_SERVING')
})

test('a server that is down when the agent starts is found when it comes, and the token is not lost', async () => {
  const running = await server()
  const token = new Secret(
    (await running.admin('spire.api.server.agent.v1.Agent').unary('CreateJoinToken', { ttl: 60 }))
      .value,
  )
  await running.stop()
  const agent = await agentOf(running, { waitUntilReady: false, token: async () => token })
  await expect.poll(() => ask(agent)).toMatch(/^unavailable agent-/)
  const back = await startServer({ folder: running.folder, overrides: running.config })
  cleanUp.push(() => back.stop())
  await expect.poll(() => health(agent)).toBe('SERVING')
})

test('workloads are served while the server is away, and the agent follows again when it is back', async () => {
  const running = await server()
  const agent = await agentOf(running)
  await registerSelf(running)
  await expect.poll(() => ask(agent)).toBe('spiffe://example.org/self')
  await running.stop()
  expect(await ask(agent)).toBe('spiffe://example.org/self')
  const back = await startServer({ folder: running.folder, overrides: running.config })
  cleanUp.push(() => back.stop())
  await registerSelf(back, '/second')
  await expect.poll(() => ask(agent)).toBe('spiffe://example.org/second,spiffe://example.org/self')
})

test('an expired agent that cannot prove its node says what to do, stays up, and takes a new token by itself', async () => {
  const running = await server({ overrides: { agentTtlSeconds: 5 } })
  const newToken = async () =>
    new Secret(
      (await running.admin('spire.api.server.agent.v1.Agent').unary('CreateJoinToken', { ttl: 60 }))
        .value,
    )
  let token: () => Promise<Secret | undefined> = newToken
  const agent = await agentOf(running, {
    overrides: { offlineCache: false },
    token: () => token(),
  })
  // On a busy machine its five seconds may have passed already.
  await expect.poll(() => health(agent)).toBe('SERVING')
  token = async () => undefined
  await running.stop()
  await expect.poll(() => ask(agent)).toBe('unavailable agent-must-rejoin')
  expect(await health(agent)).toBe('NOT_SERVING')
  const told = await runHere(['agent', 'health', '--socket', `unix://${agent.socket}`])
  expect(told).toMatchObject({ code: 69, stdout: expect.stringContaining('agent-must-rejoin') })
  expect(told.stderr).toMatch(/fix: .*countersign token create.*agent run --join-token-file FILE/)
  const back = await startServer({ folder: running.folder, overrides: running.config })
  cleanUp.push(() => back.stop())
  const { value } = await back
    .admin('spire.api.server.agent.v1.Agent')
    .unary('CreateJoinToken', { ttl: 60 })
  token = async () => new Secret(value)
  await expect.poll(() => health(agent)).toBe('SERVING')
})

test('the join token is sent to nobody but the server that the pinned CA key vouches for', async () => {
  const running = await server()
  const agents = running.admin('spire.api.server.agent.v1.Agent')
  const token = new Secret((await agents.unary('CreateJoinToken', { ttl: 60 })).value)
  const stranger = await agentOf(running, {
    name: 'stranger',
    waitUntilReady: false,
    token: async () => token,
    overrides: { trust: { by: 'ca-key', sha256: ['00'.repeat(32)] } },
  })
  await expect.poll(() => ask(stranger)).toMatch(/^unavailable agent-/)
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect((await agents.unary('CountAgents', {})).count).toBe(0)
  await agentOf(running, { name: 'friend', token: async () => token })
  expect((await agents.unary('CountAgents', {})).count).toBe(1)
})

test('two agents on one socket path: the second says so and leaves the first alone', async () => {
  const running = await server()
  const agent = await agentOf(running)
  await expect(
    startAgent(running, { name: 'second', overrides: { socket: agent.socket } }),
  ).rejects.toMatchObject({ reason: 'socket-in-use' })
  expect(await ask(agent)).toBe('forbidden no-identity')
})

test('the agent renews its own SVID, and a restart goes on with the newest one', async () => {
  const running = await server({ overrides: { agentTtlSeconds: 6 } })
  const agent = await startAgent(running)
  const serial = async () =>
    (await running.admin('spire.api.server.agent.v1.Agent').unary('ListAgents', {})).agents[0]
      ?.x509svid_serial_number
  const first = await serial()
  await expect.poll(serial).not.toBe(first)
  await agent.stop()
  const again = await agentOf(running, {
    overrides: { dataDir: agent.config.dataDir },
    token: async () => undefined,
  })
  expect(await health(again)).toBe('SERVING')
  expect(
    (await running.admin('spire.api.server.agent.v1.Agent').unary('CountAgents', {})).count,
  ).toBe(1)
})

test(`the agent believes a bundle file too, and nobody without being told (${trustDomain})`, async () => {
  const running = await server()
  const rejected = startAgent(running, { name: 'naive', overrides: { trust: undefined } })
  await expect(rejected).rejects.toMatchObject({ reason: 'trust-missing' })
})

test('joining takes one token: none is made or read that is left over', async () => {
  const running = await server()
  const agents = running.admin('spire.api.server.agent.v1.Agent')
  let asked = 0
  await agentOf(running, {
    token: async () => {
      asked += 1
      return new Secret((await agents.unary('CreateJoinToken', { ttl: 60 })).value)
    },
  })
  expect(asked).toBe(1)
})

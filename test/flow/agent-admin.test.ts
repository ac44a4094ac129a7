import { type ChildProcess, spawn } from 'node:child_process'
import { statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { adminAccess } from '../../agent/admin-endpoint/access.ts'
import { type AgentConfig, loadAgentConfig } from '../../agent/config.ts'
import { CountersignError } from '../../src/errors.ts'
import { createClient, type RpcClient } from '../../src/rpc/client.ts'
import { dialUnix } from '../../src/rpc/dial.ts'
import type { SubscribeToX509SVIDsRequest$Input } from '../../src/rpc/gen/spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsRequest.ts'
import type { SubscribeToX509SVIDsResponse } from '../../src/rpc/gen/spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsResponse.ts'
import {
  type ServiceDefinitions,
  type ServiceName,
  serviceDefinition,
} from '../../src/rpc/services.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { x509SvidFrom } from '../../src/svid/x509-svid.ts'
import { run } from '../support/command.ts'
import { agentIdOf, type RunningAgent, startAgent, untilHeld } from '../support/running-agent.ts'
import { type RunningServer, startServer, wireEntry } from '../support/running-server.ts'

const delegatedService = 'spire.api.agent.delegatedidentity.v1.DelegatedIdentity'
const loggerService = 'spire.api.agent.logger.v1.Logger'
const debugService = 'spire.agent.debug.v1.Debug'
const entryService = 'spire.api.server.entry.v1.Entry'
const delegateId = SpiffeId.parse('spiffe://example.org/delegate')
const own = `unix:uid:${process.getuid?.()}`
const workloadUid = 64_123
const workload = [{ type: 'unix', value: `uid:${workloadUid}` }]
const isRoot = process.getuid?.() === 0

let server: RunningServer
let agent: RunningAgent
let parent: SpiffeId
const cleanUp: (() => unknown)[] = []

beforeAll(async () => {
  server = await startServer()
  agent = await startAgent(server, {
    overrides: adminAt(server.folder, 'agent', [delegateId]),
  })
  parent = await agentIdOf(server)
})

afterEach(async () => {
  for (const act of cleanUp.splice(0).reverse()) await act()
})

afterAll(async () => {
  await agent?.stop()
  await server?.remove()
})

function adminAt(
  folder: string,
  name: string,
  delegates: readonly SpiffeId[],
): Partial<AgentConfig> {
  return {
    adminSocket: join(folder, name, 'admin', 'api.sock'),
    authorizedDelegates: new Set(delegates),
  }
}

function admin<N extends ServiceName>(
  name: N,
  of: RunningAgent = agent,
): RpcClient<ServiceDefinitions[N]> {
  const channel = dialUnix(of.config.adminSocket ?? '')
  cleanUp.push(() => channel.close())
  return createClient(name, channel)
}

/** Registered for the time of the test; the agent has it when this resolves. */
async function register(
  path: string,
  selector: string,
  extra: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const entries = server.admin(entryService)
  const { results } = await entries.unary('BatchCreateEntry', {
    entries: [wireEntry({ path, parent, selectors: [selector], ...extra })],
  })
  const id = results[0]?.entry?.id ?? ''
  expect(results[0]?.status).toMatchObject({ code: 0 })
  cleanUp.push(() => entries.unary('BatchDeleteEntry', { ids: [id] }))
  await untilHeld(server, [id])
  return id
}

/** A process of the workload's user. */
function startProcess(): ChildProcess {
  const child = spawn('sleep', ['60'], {
    stdio: 'ignore',
    ...(isRoot && { uid: workloadUid, gid: workloadUid }),
  })
  cleanUp.push(() => child.kill('SIGKILL'))
  return child
}

function subscribe(
  request: SubscribeToX509SVIDsRequest$Input,
  of?: RunningAgent,
): AsyncIterator<SubscribeToX509SVIDsResponse> {
  const stream = admin(delegatedService, of).serverStream('SubscribeToX509SVIDs', request, {
    timeoutMs: 30_000,
  })
  return stream[Symbol.asyncIterator]()
}

async function pathsOf(
  next: Promise<IteratorResult<SubscribeToX509SVIDsResponse>>,
): Promise<readonly string[]> {
  const { value } = await next
  const { x509_svids } = value as SubscribeToX509SVIDsResponse
  return x509_svids.map(({ x509_svid }) => x509_svid?.id?.path ?? '').sort()
}

async function reasonOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'accepted'
  } catch (error) {
    if (error instanceof CountersignError) return error.reason
    throw error
  }
}

/** Each RPC of the socket, called with what it needs. */
function callAll(of: RunningAgent): ReadonlyMap<string, () => Promise<unknown>> {
  const first = (stream: AsyncIterable<unknown>) => stream[Symbol.asyncIterator]().next()
  const prefix = `/${delegatedService}/`
  return new Map<string, () => Promise<unknown>>([
    [`/${debugService}/GetInfo`, () => admin(debugService, of).unary('GetInfo', {})],
    [`/${loggerService}/GetLogger`, () => admin(loggerService, of).unary('GetLogger', {})],
    [
      `/${loggerService}/SetLogLevel`,
      () => admin(loggerService, of).unary('SetLogLevel', { new_level: 'INFO' }),
    ],
    [`/${loggerService}/ResetLogLevel`, () => admin(loggerService, of).unary('ResetLogLevel', {})],
    [`${prefix}SubscribeToX509SVIDs`, () => subscribe({ selectors: workload }, of).next()],
    [
      `${prefix}SubscribeToX509Bundles`,
      () => first(admin(delegatedService, of).serverStream('SubscribeToX509Bundles', {})),
    ],
    [
      `${prefix}FetchJWTSVIDs`,
      () =>
        admin(delegatedService, of).unary('FetchJWTSVIDs', {
          audience: ['there'],
          selectors: workload,
        }),
    ],
    [
      `${prefix}SubscribeToJWTBundles`,
      () => first(admin(delegatedService, of).serverStream('SubscribeToJWTBundles', {})),
    ],
  ])
}

describe('who gets through', () => {
  test('T25 every RPC of the socket has a rule, and the test calls each', () => {
    const defined = [debugService, loggerService, delegatedService].flatMap((name) =>
      Object.values(serviceDefinition(name as ServiceName)).flatMap((rpc) =>
        'path' in rpc ? [rpc.path] : [],
      ),
    )
    expect(Object.keys(adminAccess).sort()).toEqual([...new Set(defined)].sort())
    expect([...callAll(agent).keys()].sort()).toEqual(Object.keys(adminAccess).sort())
  })

  test('a process without the ID of a delegate gets nothing that is for delegates, whoever it is', async () => {
    await register('/somebody', own)
    await register('/workload', `unix:uid:${workloadUid}`)
    for (const [method, call] of callAll(agent)) {
      const expected = adminAccess[method] === 'operator' ? 'accepted' : 'delegate-unknown'
      expect([method, await reasonOf(call())]).toEqual([method, expected])
    }
  })

  test('where no delegate is configured nobody is one', async () => {
    const other = await startAgent(server, {
      name: 'none',
      overrides: adminAt(server.folder, 'none', []),
    })
    cleanUp.push(() => other.stop())
    await register('/delegate', own)
    for (const [method, call] of callAll(other)) {
      const expected = adminAccess[method] === 'operator' ? 'accepted' : 'delegate-unknown'
      expect([method, await reasonOf(call())]).toEqual([method, expected])
    }
  })

  test('a delegate gets through by every RPC', async () => {
    await register('/delegate', own)
    await register('/workload', `unix:uid:${workloadUid}`)
    for (const [method, call] of callAll(agent)) {
      expect([method, await reasonOf(call())]).toEqual([method, 'accepted'])
    }
  })

  test.skipIf(!isRoot)('another user cannot even connect: 0600 in a folder of 0700', async () => {
    const path = agent.config.adminSocket ?? ''
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
    const child = spawn(
      process.execPath,
      [
        '-e',
        `require('net').connect(${JSON.stringify(path)}).on('error', e => console.log(e.code))`,
      ],
      { uid: workloadUid, gid: workloadUid, stdio: ['ignore', 'pipe', 'inherit'] },
    )
    let said = ''
    for await (const chunk of child.stdout) said += String(chunk)
    expect(said.trim()).toBe('EACCES')
  })

  test('the socket of the workloads has none of it, and this one nothing of theirs', async () => {
    const channel = dialUnix(agent.socket)
    cleanUp.push(() => channel.close())
    const options = { metadata: { 'workload.spiffe.io': 'true' } }
    const calls = [
      createClient(debugService, channel).unary('GetInfo', {}, options),
      createClient(loggerService, channel).unary('ResetLogLevel', {}, options),
      createClient(delegatedService, channel).unary('FetchJWTSVIDs', {}, options),
      createClient(delegatedService, channel)
        .serverStream('SubscribeToX509SVIDs', { selectors: workload }, options)
        [Symbol.asyncIterator]()
        .next(),
    ]
    for (const call of calls) expect(await reasonOf(call)).toBe('rpc-unimplemented')
    const theirs = admin('SpiffeWorkloadAPI').serverStream('FetchX509SVID', {})
    expect(await reasonOf(theirs[Symbol.asyncIterator]().next())).toBe('rpc-unimplemented')
  })

  test('a socket in the folder of the public one, and delegates that nobody can be, are refused at start', () => {
    const load = (flags: Readonly<Record<string, string>>) => () =>
      loadAgentConfig({
        file: undefined,
        env: {},
        flags: { trust_domain: 'example.org', server_address: '127.0.0.1:1', ...flags },
      })
    expect(load({ socket: '/run/a/api.sock', admin_socket: '/run/a/admin.sock' })).toThrow(
      expect.objectContaining({ reason: 'config-admin-socket' }),
    )
    expect(load({ socket: '/run/a/api.sock', admin_socket: '/run/b/admin.sock' })).not.toThrow()
    const file = join(server.folder, 'delegates.yaml')
    for (const [text, accepted] of [
      ['admin_socket: /run/b/admin.sock\nauthorized_delegates: [spiffe://example.org/d]', true],
      ['admin_socket: /run/b/admin.sock\nauthorized_delegates: [spiffe://other.test/d]', false],
      ['authorized_delegates: [spiffe://example.org/d]', false],
    ] as const) {
      writeFileSync(file, text)
      const flags = { trust_domain: 'example.org', server_address: '127.0.0.1:1' }
      const loading = () => loadAgentConfig({ file, env: {}, flags })
      if (accepted) expect(loading().authorizedDelegates.size).toBe(1)
      else expect(loading).toThrow(expect.objectContaining({ reason: 'config-delegates' }))
    }
  })
})

describe('a delegate', () => {
  test('T26 gets the SVIDs of a selector set, then each change, and never an admin or downstream one', async () => {
    await register('/delegate', own)
    const selector = `unix:uid:${workloadUid}`
    const one = await register('/one', selector, { hint: 'first' })
    await register('/boss', selector, { admin: true })
    await register('/nested', selector, { downstream: true })
    const svids = subscribe({ selectors: workload })
    const { value } = await svids.next()
    const { x509_svids } = value as SubscribeToX509SVIDsResponse
    expect(x509_svids.map(({ x509_svid }) => x509_svid?.id?.path)).toEqual(['/one'])
    const [{ x509_svid, x509_svid_key } = { x509_svid: null, x509_svid_key: Buffer.alloc(0) }] =
      x509_svids
    expect(x509_svid?.hint).toBe('first')
    // The key is that of the certificate.
    expect(x509SvidFrom(x509_svid?.cert_chain ?? [], x509_svid_key).spiffeId).toBe(
      'spiffe://example.org/one',
    )
    await register('/two', selector)
    expect(await pathsOf(svids.next())).toEqual(['/one', '/two'])
    await server.admin(entryService).unary('BatchDeleteEntry', { ids: [one] })
    expect(await pathsOf(svids.next())).toEqual(['/two'])
    await svids.return?.()
    const { svids: tokens } = await admin(delegatedService).unary('FetchJWTSVIDs', {
      audience: ['there'],
      selectors: workload,
    })
    expect(tokens.map(({ id }) => id?.path)).toEqual(['/two'])
    expect(Number(tokens[0]?.expires_at)).toBeGreaterThan(Number(tokens[0]?.issued_at))
    expect(Number(tokens[0]?.issued_at)).toBeGreaterThan(1_600_000_000)
  })

  test('for admin and downstream entries alone gets an empty list, and no token', async () => {
    await register('/delegate', own)
    await register('/boss', `unix:uid:${workloadUid}`, { admin: true })
    expect(await pathsOf(subscribe({ selectors: workload }).next())).toEqual([])
    expect(
      await reasonOf(
        admin(delegatedService).unary('FetchJWTSVIDs', { audience: ['a'], selectors: workload }),
      ),
    ).toBe('no-identity')
  })

  test('T26 that loses its ID loses its streams at once, though nothing that it asked for has changed', async () => {
    const entry = await register('/delegate', own)
    await register('/workload', `unix:uid:${workloadUid}`)
    const svids = subscribe({ selectors: workload })
    const bundles = admin(delegatedService)
      .serverStream('SubscribeToX509Bundles', {}, { timeoutMs: 30_000 })
      [Symbol.asyncIterator]()
    expect(await pathsOf(svids.next())).toEqual(['/workload'])
    expect(Object.keys((await bundles.next()).value.ca_certificates)).toEqual([
      'spiffe://example.org',
    ])
    await server.admin(entryService).unary('BatchDeleteEntry', { ids: [entry] })
    expect(await reasonOf(svids.next())).toBe('delegate-unknown')
    expect(await reasonOf(bundles.next())).toBe('delegate-unknown')
  })

  test.skipIf(!isRoot)(
    'names a process by its number, which is attested like a workload, and again before each update',
    async () => {
      await register('/delegate', own)
      await register('/workload', `unix:uid:${workloadUid}`)
      const child = startProcess()
      const svids = subscribe({ pid: child.pid ?? 0 })
      expect(await pathsOf(svids.next())).toEqual(['/workload'])
      const { svids: tokens } = await admin(delegatedService).unary('FetchJWTSVIDs', {
        audience: ['there'],
        pid: child.pid ?? 0,
      })
      expect(tokens.map(({ id }) => id?.path)).toEqual(['/workload'])
      const ended = new Promise((resolve) => child.on('close', resolve))
      child.kill('SIGKILL')
      await ended
      await register('/late', `unix:uid:${workloadUid}`)
      expect(await reasonOf(svids.next())).toBe('caller-gone')
      expect(await reasonOf(subscribe({ pid: child.pid ?? 0 }).next())).toBe('process-absent')
    },
  )

  test('T12 has to name either selectors or a process, and no more than anyone needs', async () => {
    await register('/delegate', own)
    const many = Array.from({ length: 65 }, (_, at) => ({ type: 'unix', value: `uid:${at}` }))
    const asked: [SubscribeToX509SVIDsRequest$Input, string][] = [
      [{}, 'subject-ambiguous'],
      [{ selectors: workload, pid: process.pid }, 'subject-ambiguous'],
      [{ pid: -1 }, 'process-absent'],
      [{ selectors: many }, 'subject-too-many-selectors'],
      [{ selectors: [{ type: 'UNIX', value: 'uid:1' }] }, 'selector-type'],
      [{ selectors: [{ type: 'unix', value: '' }] }, 'selector-value'],
    ]
    for (const [request, reason] of asked) {
      expect(await reasonOf(subscribe(request).next())).toBe(reason)
    }
    expect(
      await reasonOf(admin(delegatedService).unary('FetchJWTSVIDs', { selectors: workload })),
    ).toBe('audience-missing')
  })
})

test('an operator sees how the agent is, and changes what it logs while it runs', async () => {
  const info = await admin(debugService).unary('GetInfo', {})
  expect(info.svid_chain[0]?.id?.path).toBe(SpiffeId.pathOf(parent))
  expect(Number(info.last_sync_success)).toBeGreaterThan(1_600_000_000)
  expect(info.svid_chain[0]?.subject).toBe('O=COUNTERSIGN,C=US')
  const env = { COUNTERSIGN_AGENT_ADMIN_SOCKET: agent.config.adminSocket ?? '' }
  const shown = await run(['agent', 'info', '-o', 'json'], { env })
  expect(JSON.parse(shown.stdout)).toMatchObject({ id: parent, x509Svids: expect.any(Number) })
  const logger = admin(loggerService)
  expect(await logger.unary('GetLogger', {})).toEqual({
    current_level: 'INFO',
    launch_level: 'INFO',
  })
  expect(await logger.unary('SetLogLevel', { new_level: 'DEBUG' })).toMatchObject({
    current_level: 'DEBUG',
  })
  expect(await reasonOf(logger.unary('SetLogLevel', { new_level: 'UNSPECIFIED' }))).toBe(
    'log-level',
  )
  expect(await logger.unary('ResetLogLevel', {})).toMatchObject({ current_level: 'INFO' })
  const typed = (verb: string) => run(['agent', 'logger', ...verb.split(' ')], { env })
  expect((await typed('set --level warn')).stdout).toBe('level     warn\nat start  info\n')
  expect(await logger.unary('GetLogger', {})).toMatchObject({ current_level: 'WARN' })
  expect((await typed('reset -o json')).stdout).toContain('"level": "info"')
  expect((await typed('get')).stdout).toBe('level     info\nat start  info\n')
})

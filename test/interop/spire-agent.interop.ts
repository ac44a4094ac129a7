import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createClient, type RpcClient } from '../../src/rpc/client.ts'
import { dialUnix, type RpcChannel } from '../../src/rpc/dial.ts'
import type { ServiceDefinitions } from '../../src/rpc/services.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { run, start } from '../support/command.ts'
import { wireEntry } from '../support/running-server.ts'
import { buildGo } from './languages.ts'
import { type SpireProgram, startSpire, untilLogged } from './spire.ts'
import { ended } from './stand.ts'

/** Where it is missing, the run says so by itself. */
const hasGo = inject('probes')['go'] !== undefined
const agentService = 'spire.api.server.agent.v1.Agent'
const entryService = 'spire.api.server.entry.v1.Entry'

const folder = mkdtempSync(join(tmpdir(), 'cs-spire-'))
const adminSocket = join(folder, 'server', 'admin', 'api.sock')
const operator = { env: { COUNTERSIGN_ADMIN_SOCKET: adminSocket } }
const agents: SpireProgram[] = []
let executable: string
let server: ChildProcess
let address: string
let channel: RpcChannel

beforeAll(async () => {
  if (!hasGo) return
  executable = await buildGo('spire-agent')
  const config = join(folder, 'server.yaml')
  writeFileSync(
    config,
    [
      'trust_domain: example.org',
      `data_dir: ${join(folder, 'server')}`,
      'bind_address: 127.0.0.1:0',
      'http_address: false',
      // Renewed at half of it; the other half is for a slow machine.
      'agent_ttl: 20s',
      '',
    ].join('\n'),
  )
  server = start(['server', 'run', '--config', config])
  const { port } = await untilLogged(server, 'server is ready')
  address = `127.0.0.1:${port}`
  channel = dialUnix(adminSocket)
})

afterAll(async () => {
  for (const agent of agents) await agent.stop()
  channel?.close()
  if (server !== undefined) await ended(server)
  rmSync(folder, { recursive: true, force: true })
})

function admin<N extends keyof ServiceDefinitions>(name: N): RpcClient<ServiceDefinitions[N]> {
  return createClient(name, channel)
}

async function newToken(): Promise<string> {
  return (await admin(agentService).unary('CreateJoinToken', { ttl: 60 })).value
}

/** The agent with the trust bundle as an operator would hand it over. */
async function startAgent(name: string, ...args: readonly string[]): Promise<SpireProgram> {
  const bundle = join(folder, 'bundle.pem')
  const shown = await run(['bundle', 'show'], operator)
  writeFileSync(bundle, shown.stdout)
  const dataDir = join(folder, name)
  mkdirSync(dataDir, { recursive: true })
  const agent = startSpire(executable, [
    ...['-server', address, '-trust-domain', 'example.org', '-data-dir', dataDir],
    ...['-trust-bundle', bundle, '-sync-interval', '500ms', ...args],
  ])
  agents.push(agent)
  return agent
}

async function register(parent: string, ...paths: readonly string[]): Promise<readonly string[]> {
  const { results } = await admin(entryService).unary('BatchCreateEntry', {
    entries: paths.map((path) =>
      wireEntry({
        ...{ path, parent: SpiffeId.parse(parent), hint: path },
        ...(path === '/web' ? { x509_svid_ttl: 16 } : {}),
      }),
    ),
  })
  return results.map(({ status, entry }) => {
    expect(status?.code, status?.message).toBe(0)
    return entry?.id ?? ''
  })
}

function wireId(id: string): { trust_domain: string; path: string } {
  return { trust_domain: 'example.org', path: SpiffeId.pathOf(SpiffeId.parse(id)) }
}

test.skipIf(!hasGo)(
  'a SPIRE agent attests by join token, gets its workloads X.509- and JWT-SVIDs, and follows changes, renewals and a CA rotation',
  async () => {
    const agent = await startAgent('life', '-join-token', await newToken())
    const { id, reattestable } = await agent.next('attested')
    expect(id).toMatch(/^spiffe:\/\/example\.org\/spire\/agent\/join_token\//)
    expect(reattestable ?? false).toBe(false)
    await agent.next('ready')
    const listed = await run(['agent', 'list', '-o', 'json'], operator)
    expect(JSON.parse(listed.stdout)).toMatchObject([{ id, version: '1.15.3' }])

    const [web = ''] = await register(String(id), '/web')
    const first = await agent.next('x509-svid', ({ entry }) => entry === web)
    expect(first).toMatchObject({ id: 'spiffe://example.org/web', hint: '/web' })
    expect(await agent.next('jwt-svid')).toMatchObject({
      id: 'spiffe://example.org/web',
      audience: ['interop'],
    })

    await admin(entryService).unary('BatchUpdateEntry', {
      entries: [{ id: web, hint: 'other' }],
      input_mask: { hint: true },
    })
    await agent.next('x509-svid', ({ hint }) => hint === 'other')
    const bundles = admin('spire.api.server.bundle.v1.Bundle')
    const partner = { ...(await bundles.unary('GetBundle', {})), trust_domain: 'partner.test' }
    await bundles.unary('BatchSetFederatedBundle', { bundle: [partner] })
    await admin(entryService).unary('BatchUpdateEntry', {
      entries: [{ id: web, federates_with: ['partner.test'] }],
      input_mask: { federates_with: true },
    })
    await agent.next('synced', ({ trust_domains }) => trust_domains === 2)
    const [gone = ''] = await register(String(id), '/gone')
    await agent.next('jwt-svid', ({ entry }) => entry === gone)
    await admin(entryService).unary('BatchDeleteEntry', { ids: [gone] })
    await agent.next('withdrawn', ({ entry }) => entry === gone)

    // The next authority is known before it signs. Then it renews the agent and its workload.
    const authorities = admin('spire.api.server.localauthority.v1.LocalAuthority')
    const { prepared_authority: next } = await authorities.unary('PrepareX509Authority', {})
    await agent.next('synced', ({ x509_authorities: count }) => count === 2)
    await authorities.unary('ActivateX509Authority', { authority_id: next?.authority_id ?? '' })
    await agent.next('x509-svid', ({ authority }) => authority !== first['authority'])
    await agent.next('renewed', ({ authority }) => authority !== first['authority'])
    await agent.next('x509-svid', ({ authority }) => authority !== first['authority'])
    while (agent.said.filter(({ event }) => event === 'renewed').length < 3) {
      await agent.next('renewed')
    }
    expect(agent.said.filter(({ event }) => event === 'retrying')).toEqual([])
    expect(await agent.stop()).toBe(0)

    const again = await startAgent('life')
    await again.next('ready')
    expect(again.said.map(({ event }) => event)).not.toContain('attested')
    await again.next('x509-svid', ({ entry }) => entry === web)
    expect(await again.stop()).toBe(0)
  },
)

test.skipIf(!hasGo)(
  'T26 a SPIRE agent that is banned is told so in the details that it acts on, shuts down, and is refused until it attests anew',
  async () => {
    const agent = await startAgent('banned', '-join-token', await newToken())
    const { id } = await agent.next('attested')
    await agent.next('ready')
    await admin(agentService).unary('BanAgent', { id: wireId(String(id)) })
    expect(await agent.next('failed')).toMatchObject({ reason: 'AGENT_BANNED' })
    expect(await agent.ended).toBe(4)
    await admin(agentService).unary('DeleteAgent', { id: wireId(String(id)) })
    const back = await startAgent('banned', '-join-token', await newToken())
    await back.next('attested')
    await back.next('ready')
    expect(await back.stop()).toBe(0)
  },
)

test.skipIf(!hasGo)('T26 a SPIRE agent that was evicted is told to attest again', async () => {
  const agent = await startAgent('evicted', '-join-token', await newToken())
  const { id } = await agent.next('attested')
  await agent.next('ready')
  await admin(agentService).unary('DeleteAgent', { id: wireId(String(id)) })
  expect(await agent.next('failed')).toMatchObject({ reason: 'AGENT_NOT_ATTESTED' })
  expect(await agent.ended).toBe(3)
})

test.skipIf(!hasGo)('T17 a join token attests one SPIRE agent, and no other', async () => {
  const token = await newToken()
  const agent = await startAgent('first', '-join-token', token)
  await agent.next('ready')
  const second = await startAgent('second', '-join-token', token)
  const failed = await second.next('failed')
  expect(failed['error']).toMatch(/failed to attest/)
  expect(second.said.map(({ event }) => event)).not.toContain('attested')
  expect(await agent.stop()).toBe(0)
})

test.skipIf(!hasGo)('a SPIRE agent that asks for all its entries each time gets them', async () => {
  const options = ['-join-token', await newToken(), '-use-sync-authorized-entries=false']
  const agent = await startAgent('old', ...options)
  const { id } = await agent.next('attested')
  await register(String(id), '/old')
  await agent.next('jwt-svid', (svid) => svid['id'] === 'spiffe://example.org/old')
  expect(agent.said.find(({ event }) => event === 'synced')).toMatchObject({ form: 'get' })
  expect(await agent.stop()).toBe(0)
})

test.skipIf(!hasGo)(
  'a SPIRE agent with more entries than fit a page gets revisions, and asks for what it lacks',
  async () => {
    const agent = await startAgent('many', '-join-token', await newToken())
    const { id } = await agent.next('attested')
    const ids = await register(String(id), ...Array.from({ length: 700 }, (_, at) => `/many/${at}`))
    await agent.next(
      'synced',
      ({ form, entries }) => form === 'revisions' && countOf(entries) === 700,
    )
    await agent.next('x509-svid', ({ entry }) => entry === ids[699])
    await admin(entryService).unary('BatchUpdateEntry', {
      entries: [{ id: ids[1] ?? '', hint: 'other' }],
      input_mask: { hint: true },
    })
    await agent.next('x509-svid', ({ entry, hint }) => entry === ids[1] && hint === 'other')
    await admin(entryService).unary('BatchDeleteEntry', { ids: [ids[2] ?? ''] })
    await agent.next('withdrawn', ({ entry }) => entry === ids[2])
    expect(await agent.stop()).toBe(0)
  },
)

function countOf(entries: unknown): number {
  return Object.keys(entries as object).length
}

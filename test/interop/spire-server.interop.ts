import type { ChildProcess } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest'
import { CountersignError } from '../../src/errors.ts'
import { createClient, type RpcClient } from '../../src/rpc/client.ts'
import { bundleFromWire } from '../../src/rpc/convert.ts'
import { dialUnix, type RpcChannel } from '../../src/rpc/dial.ts'
import type { X509SVIDResponse } from '../../src/rpc/gen/X509SVIDResponse.ts'
import type { ServiceDefinitions, ServiceName } from '../../src/rpc/services.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { verifyX509Svid } from '../../src/svid/x509-svid.ts'
import { splitCertificates } from '../../src/x509/certificate.ts'
import { start } from '../support/command.ts'
import { wireEntry } from '../support/running-server.ts'
import { buildGo } from './languages.ts'
import { type SpireEvent, type SpireProgram, startSpire, untilLogged } from './spire.ts'
import { ended } from './stand.ts'

/** Where it is missing, the run says so by itself. */
const hasGo = inject('probes')['go'] !== undefined
const agentService = 'spire.api.server.agent.v1.Agent'
const entryService = 'spire.api.server.entry.v1.Entry'
const syncMethod = '/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries'
const header = { metadata: { 'workload.spiffe.io': 'true' } }
/** A change waits for the next poll, some seconds, on a machine that may be slow. */
const oneMorePoll = { timeout: 120_000 }

const folder = mkdtempSync(join(tmpdir(), 'cs-spire-'))
const cleanUp: (() => unknown)[] = []
let executable: string

beforeAll(async () => {
  chmodSync(folder, 0o755)
  if (hasGo) executable = await buildGo('spire-server')
})

afterEach(async () => {
  for (const act of cleanUp.splice(0).reverse()) await act()
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Spire {
  readonly program: SpireProgram
  readonly address: string
  readonly bundle: string
  readonly folder: string
  admin<N extends ServiceName>(name: N): RpcClient<ServiceDefinitions[N]>
  newToken(): Promise<string>
}

let servers = 0

async function startServer(...args: readonly string[]): Promise<Spire> {
  servers += 1
  const here = join(folder, String(servers))
  mkdirSync(here)
  const [socket, bundle] = [join(here, 'server.sock'), join(here, 'bundle.pem')]
  const program = startSpire(executable, ['-socket', socket, '-bundle', bundle, ...args])
  cleanUp.push(() => program.stop())
  const { address } = await program.next('ready')
  const channel = keep(dialUnix(socket))
  const admin: Spire['admin'] = (name) => createClient(name, channel)
  return {
    program,
    address: String(address),
    bundle,
    folder: here,
    admin,
    newToken: async () => (await admin(agentService).unary('CreateJoinToken', { ttl: 60 })).value,
  }
}

function keep(channel: RpcChannel): RpcChannel {
  cleanUp.push(() => channel.close())
  return channel
}

interface Agent {
  readonly child: ChildProcess
  readonly id: string
  readonly tokenFile: string
  readonly channel: RpcChannel
}

async function startAgent(server: Spire): Promise<Agent> {
  const agent = await launchAgent(server, 'agent is ready')
  const { id } = await server.program.next('attested')
  return { ...agent, id: String(id) }
}

async function launchAgent(server: Spire, until: string): Promise<Omit<Agent, 'id'>> {
  const tokenFile = join(server.folder, 'token')
  const config = join(server.folder, 'agent.yaml')
  const socket = join(server.folder, 'agent', 'api.sock')
  writeFileSync(tokenFile, await server.newToken(), { mode: 0o600 })
  writeFileSync(
    config,
    [
      'trust_domain: example.org',
      `server_address: ${server.address}`,
      `data_dir: ${join(server.folder, 'agent-data')}`,
      `socket: ${socket}`,
      `trust_bundle: ${server.bundle}`,
      `join_token_file: ${tokenFile}`,
      '',
    ].join('\n'),
  )
  const child = start(['agent', 'run', '--config', config])
  cleanUp.push(() => ended(child))
  await untilLogged(child, until)
  return { child, tokenFile, channel: keep(dialUnix(socket)) }
}

async function register(
  server: Spire,
  agent: Agent,
  path: string,
  extra: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const { results } = await server.admin(entryService).unary('BatchCreateEntry', {
    entries: [
      wireEntry({
        path,
        parent: SpiffeId.parse(agent.id),
        selectors: [`unix:uid:${process.getuid?.()}`],
        ...extra,
      }),
    ],
  })
  return results[0]?.entry?.id ?? ''
}

/** The IDs that this process gets, or the word for why it gets none. */
async function ask({ channel }: Agent): Promise<readonly string[] | string> {
  try {
    for await (const { svids } of createClient('SpiffeWorkloadAPI', channel).serverStream(
      'FetchX509SVID',
      {},
      { ...header, timeoutMs: 30_000 },
    )) {
      return svids.map(({ spiffe_id }) => SpiffeId.pathOf(SpiffeId.parse(spiffe_id))).sort()
    }
    return 'ended'
  } catch (error) {
    if (error instanceof CountersignError) return error.reason
    throw error
  }
}

/** Throws where the SVID does not stand under the bundle that came with it. */
function verify({ svids, federated_bundles }: X509SVIDResponse): {
  readonly leaf: string
  readonly authority: string
  readonly federated: readonly string[]
} {
  const [svid] = svids
  const bundle = bundleFromWire({
    trust_domain: 'example.org',
    x509_authorities: splitCertificates(svid?.bundle ?? Buffer.alloc(0)).map((asn1) => ({
      asn1,
      tainted: false,
    })),
    jwt_authorities: [],
    wit_authorities: [],
    refresh_hint: '0',
    sequence_number: '0',
  })
  const chain = splitCertificates(svid?.x509_svid ?? Buffer.alloc(0))
  const { leaf } = verifyX509Svid(chain, { bundleOf: () => bundle }, new Date())
  return {
    leaf: leaf.serial,
    authority: leaf.authorityKeyId?.toString('hex') ?? '',
    federated: Object.keys(federated_bundles),
  }
}

function callsOf(server: Spire, method: string): readonly SpireEvent[] {
  return server.program.said.filter((said) => said.event === 'call' && said['method'] === method)
}

function wireId(id: string): { trust_domain: string; path: string } {
  return { trust_domain: 'example.org', path: SpiffeId.pathOf(SpiffeId.parse(id)) }
}

test.skipIf(!hasGo)(
  'an agent joins a SPIRE server, and polls it: entries, bundles of partners, X.509- and JWT-SVIDs',
  async () => {
    const server = await startServer('-page-size', '2')
    const agent = await startAgent(server)
    await server.program.next('status', ({ id, version }) => id === agent.id && version !== '')
    expect(await ask(agent)).toBe('no-identity')

    const one = await register(server, agent, '/one')
    await expect.poll(() => ask(agent), oneMorePoll).toEqual(['/one'])
    // More than a page: by revisions from now on.
    await register(server, agent, '/two')
    await register(server, agent, '/three')
    await expect.poll(() => ask(agent), oneMorePoll).toEqual(['/one', '/three', '/two'])
    await server.admin('spire.api.server.bundle.v1.Bundle').unary('BatchSetFederatedBundle', {
      bundle: [
        {
          ...(await server.admin('spire.api.server.bundle.v1.Bundle').unary('GetBundle', {})),
          trust_domain: 'partner.test',
        },
      ],
    })
    const updates = createClient('SpiffeWorkloadAPI', agent.channel).serverStream(
      'FetchX509SVID',
      {},
      header,
    )
    await server.admin(entryService).unary('BatchUpdateEntry', {
      entries: [{ id: one, hint: 'changed', federates_with: ['partner.test'] }],
    })
    for await (const update of updates) {
      const changed = update.svids.find(({ hint }) => hint === 'changed')
      if (changed === undefined) continue
      expect(verify({ ...update, svids: [changed] }).federated).toEqual(['spiffe://partner.test'])
      break
    }
    await server.admin(entryService).unary('BatchDeleteEntry', { ids: [one] })
    await expect.poll(() => ask(agent), oneMorePoll).toEqual(['/three', '/two'])

    const workload = createClient('SpiffeWorkloadAPI', agent.channel)
    const { svids } = await workload.unary(
      'FetchJWTSVID',
      { audience: ['there'], spiffe_id: 'spiffe://example.org/two' },
      header,
    )
    const token = svids[0]?.svid ?? ''
    expect(
      await workload.unary('ValidateJWTSVID', { audience: 'there', svid: token }, header),
    ).toMatchObject({ spiffe_id: 'spiffe://example.org/two' })
    const codes = callsOf(server, syncMethod).map(({ code }) => code)
    expect(new Set(codes)).toEqual(new Set(['OK']))
  },
)

test.skipIf(!hasGo)(
  'over a CA rotation of a SPIRE server that sends its agents away every few seconds, every SVID stands under the bundle beside it',
  async () => {
    const server = await startServer(
      ...['-ca-ttl', '66s', '-x509-ttl', '18s', '-agent-ttl', '18s', '-max-connection-age', '4s'],
    )
    const agent = await startAgent(server)
    await register(server, agent, '/rotated')
    await expect.poll(() => ask(agent), oneMorePoll).toEqual(['/rotated'])
    const leaves = new Set<string>()
    const authorities = new Set<string>()
    for await (const update of createClient('SpiffeWorkloadAPI', agent.channel).serverStream(
      'FetchX509SVID',
      {},
      header,
    )) {
      const { leaf, authority } = verify(update)
      leaves.add(leaf)
      authorities.add(authority)
      if (authorities.size === 2 && leaves.size > 6) break
    }
    expect(server.program.said.filter(({ event }) => event === 'renewed').length).toBeGreaterThan(2)
    const refused = server.program.said.filter(
      ({ event, code }) => event === 'call' && !['OK', 'NotFound'].includes(String(code)),
    )
    expect(refused).toEqual([])
  },
)

test.skipIf(!hasGo)(
  'T26 an agent that a SPIRE server bans withdraws every identity, and joins again once it is evicted and has a new token',
  async () => {
    const server = await startServer('-without-sync')
    const agent = await startAgent(server)
    await register(server, agent, '/banned')
    await expect.poll(() => ask(agent), oneMorePoll).toEqual(['/banned'])
    await server.admin(agentService).unary('BanAgent', { id: wireId(agent.id) })
    await expect.poll(() => ask(agent), oneMorePoll).toBe('agent-banned')
    await server.admin(agentService).unary('DeleteAgent', { id: wireId(agent.id) })
    await expect.poll(() => ask(agent), oneMorePoll).toBe('agent-must-rejoin')
    writeFileSync(agent.tokenFile, await server.newToken())
    const { id } = await server.program.next('attested')
    expect(id).not.toBe(agent.id)
    await register(server, { ...agent, id: String(id) }, '/back')
    await expect.poll(() => ask(agent), oneMorePoll).toEqual(['/back'])
  },
)

test.skipIf(!hasGo)(
  'an agent sends its join token to no SPIRE server but the one of its bundle',
  async () => {
    const [server, other] = [await startServer(), await startServer()]
    await launchAgent({ ...server, bundle: other.bundle }, 'no connection to the server')
    expect(server.program.said.map(({ event }) => event)).toEqual(['ready', 'call'])
  },
)

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { accessTable } from '../../server/access/table.ts'
import { serviceNames } from '../../server/endpoints.ts'
import { CountersignError } from '../../src/errors.ts'
import { createClient } from '../../src/rpc/client.ts'
import { dialUnix, type RpcChannel } from '../../src/rpc/dial.ts'
import { type ServiceName, serviceDefinition } from '../../src/rpc/services.ts'
import { reasonOf } from '../support/reason-of.ts'
import {
  mint,
  type RunningServer,
  startServer,
  type TestIdentity,
  wireEntry,
} from '../support/running-server.ts'

interface Rpc {
  readonly service: ServiceName
  readonly name: string
  readonly path: string
  readonly streams: boolean
}

const rpcs: readonly Rpc[] = serviceNames.flatMap((service) =>
  Object.entries(serviceDefinition(service)).map(([name, method]) => ({
    service,
    name,
    path: method.path,
    streams: method.requestStream || method.responseStream,
  })),
)

/** Callers as they come; the right that the table may give them. */
const callers = {
  'expired agent': [],
  'expired admin': [],
  nobody: [],
  workload: ['workload'],
  agent: ['agent'],
  'other agent': ['agent'],
  'banned agent': [],
  'evicted agent': [],
  admin: ['admin'],
  downstream: ['downstream'],
  local: ['local'],
} as const satisfies Record<string, readonly string[]>

type CallerName = keyof typeof callers

let server: RunningServer
const briefSeconds = 3
/** Its agents are gone in no time. */
let brief: RunningServer
const channels = new Map<CallerName, RpcChannel | undefined>()

beforeAll(async () => {
  server = await startServer()
  const agents = server.admin('spire.api.server.agent.v1.Agent')
  const idOf = ({ id }: TestIdentity) => ({
    id: { trust_domain: 'example.org', path: id.slice('spiffe://example.org'.length) },
  })
  const [agent, other, banned, evicted] = await Promise.all([
    server.joinAgent(),
    server.joinAgent(),
    server.joinAgent(),
    server.joinAgent(),
  ])
  await agents.unary('BanAgent', idOf(banned))
  await agents.unary('DeleteAgent', idOf(evicted))
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', {
      entries: [
        wireEntry({ path: '/admin', parent: agent.id, admin: true }),
        wireEntry({ path: '/down', parent: agent.id, downstream: true }),
      ],
    })
  expect(results.map(({ status }) => status?.code)).toEqual([0, 0])
  channels.set('nobody', server.dial())
  channels.set('workload', server.dial(await mint(server, '/web')))
  channels.set('agent', server.dial(agent))
  channels.set('other agent', server.dial(other))
  channels.set('banned agent', server.dial(banned))
  channels.set('evicted agent', server.dial(evicted))
  channels.set('admin', server.dial(await mint(server, '/admin')))
  channels.set('downstream', server.dial(await mint(server, '/down')))
  channels.set('local', undefined)
  brief = await startServer({ overrides: { agentTtlSeconds: briefSeconds } })
  // Connections that were made with an SVID which ends afterwards: that is what is tried.
  await connected('expired agent', async () => brief.dial(await brief.joinAgent()))
  await connected('expired admin', async () =>
    server.dial(await mint(server, '/admin', briefSeconds)),
  )
  await Promise.all([
    untilReason('expired agent', 'agent-expired'),
    untilReason('expired admin', 'svid-expired'),
  ])
})

/** A machine that stands still for that long has none by then: another is made. */
async function connected(name: CallerName, dial: () => Promise<RpcChannel>): Promise<void> {
  do channels.set(name, await dial())
  while ((await reasonOfCall(name)) !== 'accepted')
}

function untilReason(name: CallerName, reason: string): Promise<void> {
  return vi.waitFor(async () => expect(await reasonOfCall(name)).toBe(reason), 30_000)
}

function reasonOfCall(name: CallerName): Promise<string> {
  const entries = createClient('spire.api.server.entry.v1.Entry', channels.get(name) as RpcChannel)
  return reasonOf(
    name === 'expired agent'
      ? entries.unary('GetAuthorizedEntries', {})
      : entries.unary('ListEntries', {}),
  )
}

afterAll(() => Promise.all([server.remove(), brief.remove()]))

test('T25 each RPC that the server knows has a row in the access table, and each row an RPC', () => {
  expect(Object.keys(accessTable).sort()).toEqual(rpcs.map(({ path }) => path).sort())
})

/** All that is not for operators, admins and local ones, and for them alone; as SPIRE's server has it. */
const exceptions: Readonly<Record<string, readonly string[]>> = {
  any: ['AttestAgent', 'GetBundle', 'Now'],
  agent: [
    ...['RenewAgent', 'PostStatus', 'GetAuthorizedEntries', 'SyncAuthorizedEntries', 'Follow'],
    ...['BatchNewX509SVID', 'NewJWTSVID', 'BatchNewWITSVID'],
  ],
  downstream: ['PublishJWTAuthority', 'PublishWITAuthority', 'NewDownstreamX509CA'],
  local: [
    ...['GetLogger', 'SetLogLevel', 'ResetLogLevel', 'Accept', 'GetInfo'],
    ...['Check', 'List', 'Watch'],
  ],
  'admin local agent': ['GetFederatedBundle'],
}

test('T25 the table lets in whom it should: it is not the measure of itself', () => {
  const rightsOf = (name: string, service: string): readonly string[] => {
    // These names are others' too: lists of what operators see.
    const isHealth = service.startsWith('grpc.health.')
    const found = Object.entries(exceptions).find(
      ([, names]) => names.includes(name) && (name !== 'List' || isHealth),
    )
    return (found?.[0] ?? 'admin local').split(' ')
  }
  for (const { path, name, service } of rpcs) {
    expect([path, accessTable[path]]).toEqual([path, rightsOf(name, service)])
  }
  const all = Object.values(exceptions).flat()
  expect(all.filter((name) => !rpcs.some((rpc) => rpc.name === name))).toEqual([])
})

test('T25 an RPC by any other spelling of its path is none, to an operator too', async () => {
  const path = '/spire.api.server.agent.v1.Agent/ListAgents'
  const spellings = [
    ...[path.toLowerCase(), `${path}/`, `/${path}`, path.replace('/L', '//L'), `${path}?`],
    ...[path.replace('Agent/', 'Agent%2F'), path.replace('.v1.', '.v1/../v1.')],
  ]
  const channel = dialUnix(server.config.adminSocket)
  const call = (spelling: string): Promise<number> =>
    new Promise((resolve) => {
      const asIs = (bytes: Buffer): Buffer => bytes
      channel.client.makeUnaryRequest(spelling, asIs, asIs, Buffer.alloc(0), (error) =>
        resolve(error?.code ?? 0),
      )
    })
  expect(await call(path)).toBe(0)
  for (const spelling of spellings) expect([spelling, await call(spelling)]).toEqual([spelling, 12])
  channel.close()
})

describe.each(Object.keys(callers) as CallerName[])('T25 as %s', (name) => {
  test.each(rpcs)('$path', async (rpc) => {
    const rights: readonly string[] = accessTable[rpc.path] ?? []
    const kinds: readonly string[] = callers[name]
    const allowed = rights.includes('any') || kinds.some((kind) => rights.includes(kind))
    expect({ path: rpc.path, refused: await isRefused(name, rpc) }).toEqual({
      path: rpc.path,
      refused: !allowed,
    })
  })
})

const refusals = new Set([
  ...['access-denied', 'agent-banned', 'agent-not-attested'],
  ...['agent-expired', 'svid-expired'],
])

/** Whether the door was shut; what the RPC then makes of an empty request does not matter here. */
async function isRefused(name: CallerName, rpc: Rpc): Promise<boolean> {
  const client =
    name === 'local'
      ? server.admin(rpc.service)
      : createClient(rpc.service, channels.get(name) as RpcChannel)
  try {
    if (rpc.streams) await openAndLeave(client, rpc)
    else await client.unary(rpc.name as never, {} as never, { timeoutMs: 30_000 })
    return false
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    if (error.reason === 'access-denied') expect(error.code).toBe('forbidden')
    return refusals.has(error.reason)
  }
}

async function openAndLeave(client: ReturnType<typeof createClient>, rpc: Rpc): Promise<void> {
  if (rpc.name === 'Watch') {
    for await (const _ of client.serverStream(rpc.name as never, {} as never)) return
    return
  }
  const call = client.bidi(rpc.name as never)
  call.send({} as never)
  call.end()
  for await (const _ of call.responses) return
}

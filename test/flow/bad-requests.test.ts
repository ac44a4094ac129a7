import { connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createClient } from '../../src/rpc/client.ts'
import { createCsr } from '../../src/x509/csr.ts'
import { generateKeyPair, softwareSigner } from '../../src/x509/key.ts'
import { reasonOf } from '../support/reason-of.ts'
import {
  type RunningServer,
  someAgent,
  startServer,
  type TestIdentity,
  wireEntry,
} from '../support/running-server.ts'

let server: RunningServer
let agent: TestIdentity

beforeAll(async () => {
  server = await startServer({ overrides: { maxConnectionsPerAddress: 24 } })
  agent = await server.joinAgent()
})

afterAll(() => server.remove())

const agentService = 'spire.api.server.agent.v1.Agent'
const svidService = 'spire.api.server.svid.v1.SVID'
const wireId = ({ id }: Pick<TestIdentity, 'id'>) => ({
  trust_domain: 'example.org',
  path: id.slice('spiffe://example.org'.length),
})

async function csrFor(...uris: readonly string[]): Promise<Buffer> {
  const signer = softwareSigner((await generateKeyPair('ec-p256')).privateKey)
  return createCsr(signer, uris[0] === undefined ? {} : { spiffeId: uris[0] as never })
}

test('what an operator asks of agents and tokens that cannot be is refused, each with its reason', async () => {
  const agents = server.admin(agentService)
  const nobody = wireId({ id: someAgent })
  const refused = {
    'agent-not-found': [
      agents.unary('GetAgent', { id: nobody }),
      agents.unary('BanAgent', { id: nobody }),
      agents.unary('DeleteAgent', { id: nobody }),
    ],
    'agent-filter': [agents.unary('ListAgents', { filter: { by_expires_before: 'soon' } })],
    'page-token': [agents.unary('ListAgents', { page_token: 'AAAA' })],
    'page-size': [agents.unary('ListAgents', { page_size: -1 })],
    'token-ttl': [
      agents.unary('CreateJoinToken', { ttl: 0 }),
      agents.unary('CreateJoinToken', { ttl: 30 * 86_400 + 1 }),
    ],
    'token-length': [
      agents.unary('CreateJoinToken', { ttl: 60, token: 'a'.repeat(15) }),
      agents.unary('CreateJoinToken', { ttl: 60, token: 'a'.repeat(256) }),
    ],
  }
  const said = Object.entries(refused).map(async ([reason, calls]) => [
    reason,
    new Set(await Promise.all(calls.map(reasonOf))),
  ])
  expect(await Promise.all(said)).toEqual(
    Object.keys(refused).map((reason) => [reason, new Set([reason])]),
  )
  const token = 'an-operators-own-token'
  expect(await reasonOf(agents.unary('CreateJoinToken', { ttl: 60, token }))).toBe('accepted')
  expect(await reasonOf(agents.unary('CreateJoinToken', { ttl: 60, token }))).toBe(
    'join-token-exists',
  )
})

test('a join token may give its agent another name; where the token is refused, nobody has it', async () => {
  const agents = server.admin(agentService)
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  const named = async (path: string, token = '') => {
    const agent_id = { trust_domain: 'example.org', path }
    const made = await reasonOf(agents.unary('CreateJoinToken', { ttl: 60, token, agent_id }))
    const filter = { by_spiffe_id: agent_id }
    return { made, entries: (await entries.unary('ListEntries', { filter })).entries }
  }
  const token = 'a-token-with-a-name'
  const good = await named('/node/a', token)
  const joined = await server.joinAgent({ token })
  expect(good.made).toBe('accepted')
  expect(good.entries.map(({ parent_id }) => parent_id)).toEqual([wireId(joined)])
  await agents.unary('CreateJoinToken', { ttl: 60, token: 'one-that-is-there' })
  expect(await named('/node/b', 'one-that-is-there')).toEqual({
    made: 'join-token-exists',
    entries: [],
  })
  expect(await named('/spire/node')).toMatchObject({ made: 'entry-spiffe-id', entries: [] })
  await agents.unary('DeleteAgent', { id: wireId(joined) })
  await entries.unary('BatchDeleteEntry', { ids: good.entries.map(({ id }) => id) })
})

test('agents are listed and counted by what the filter says', async () => {
  const agents = server.admin(agentService)
  const banned = await server.joinAgent()
  await agents.unary('BanAgent', { id: wireId(banned) })
  const listed = async (filter: object): Promise<unknown[]> => {
    const { count } = await agents.unary('CountAgents', { filter })
    const page = await agents.unary('ListAgents', { filter })
    expect(page.agents).toHaveLength(count)
    return page.agents.map(({ id }) => id?.path)
  }
  const [good, bad] = [wireId(agent).path, wireId(banned).path]
  expect(await listed({ by_banned: { value: true } })).toEqual([bad])
  expect(await listed({ by_banned: { value: false } })).toEqual([good])
  expect((await listed({ by_attestation_type: 'join_token' })).sort()).toEqual([good, bad].sort())
  expect(await listed({ by_attestation_type: 'x509pop' })).toEqual([])
  expect(await listed({ by_can_reattest: { value: true } })).toEqual([])
  expect(await listed({ by_expires_before: '2000-01-01T00:00:00Z' })).toEqual([])
})

test('T12 what an agent says of itself and asks at once is bounded', async () => {
  const channel = server.dial(agent)
  const status = { current_bundle_serial: 0, agent_version: 'v'.repeat(256) }
  expect(await reasonOf(createClient(agentService, channel).unary('PostStatus', status))).toBe(
    'agent-version',
  )
  const params = Array.from({ length: 1001 }, () => ({ entry_id: 'x', csr: Buffer.alloc(0) }))
  const many = createClient(svidService, channel).unary('BatchNewX509SVID', { params })
  expect(await reasonOf(many)).toBe('batch-size')
})

test('a certificate is minted for exactly one ID, which the request names', async () => {
  const svids = server.admin(svidService)
  expect(await reasonOf(svids.unary('MintX509SVID', { csr: await csrFor() }))).toBe('csr-uri')
  const csr = await csrFor('spiffe://other.org/a')
  expect(await reasonOf(svids.unary('MintX509SVID', { csr }))).toBe('svid-foreign')
})

test('a batch that is all or nothing says so on the wire: what was good is refused along, and nothing is there', async () => {
  const registry = server.admin('countersign.registry.v1.Registry')
  const entries = ['/all/a', '/spire/none'].map((path) => ({
    entry: wireEntry({ path, parent: someAgent }),
  }))
  const reasons = async (atomic: boolean): Promise<string[]> => {
    const { results } = await registry.unary('BatchCreate', { entries, atomic })
    return results.map(({ reason }) => reason)
  }
  expect(await reasons(true)).toEqual(['batch-aborted', 'entry-spiffe-id'])
  expect(await registry.unary('Count', {})).toEqual({ count: 0 })
  expect(await reasons(false)).toEqual(['', 'entry-spiffe-id'])
  const { entries: made } = await registry.unary('List', {})
  const ids = [made[0]?.entry?.id ?? '', 'none']
  const removed = await registry.unary('BatchDelete', { ids, atomic: true })
  expect(removed.results.map(({ reason }) => reason)).toEqual(['batch-aborted', 'entry-not-found'])
  expect(await registry.unary('Count', {})).toEqual({ count: 1 })
})

test('T12 one address has its share of connections and no more, and gets it back', async () => {
  const [host = '', port = ''] = server.address.split(':')
  const open: TLSSocket[] = []
  const become = (): Promise<string> => {
    const socket = connect({
      host,
      port: Number(port),
      ALPNProtocols: ['h2'],
      rejectUnauthorized: false,
    })
    open.push(socket)
    return new Promise((resolve) =>
      socket
        .on('error', () => {})
        .once('secureConnect', () => resolve('open'))
        .once('close', () => resolve('closed')),
    )
  }
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
  })
  const came: string[] = []
  while (came.length < 40 && came.at(-1) !== 'closed') came.push(await become())
  expect(came.at(-1)).toBe('closed')
  // The tests before this one have a few.
  expect(came.length).toBeGreaterThan(12)
  for (const socket of open) socket.destroy()
  const bundle = createClient('spire.api.server.bundle.v1.Bundle', server.dial())
  await expect.poll(() => reasonOf(bundle.unary('GetBundle', {}))).toBe('accepted')
})

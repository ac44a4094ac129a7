import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient } from '../../src/rpc/client.ts'
import type { Update } from '../../src/rpc/gen/countersign/sync/v1/Update.ts'
import { extension } from '../../src/x509/encode.ts'
import {
  type RunningServer,
  startServer,
  type TestIdentity,
  wireEntry,
} from '../support/running-server.ts'
import { root } from '../support/x509-fixtures.ts'

let server: RunningServer

beforeAll(async () => {
  server = await startServer()
})

afterAll(() => server.remove())

const entryService = 'spire.api.server.entry.v1.Entry'

/** A stream as an agent follows it; `next` gives one group, acknowledged. */
function follow(
  agent: TestIdentity,
  from: { log_id: string; applied: string | number; instance?: string },
) {
  const call = createClient('countersign.sync.v1.Sync', server.dial(agent)).bidi('Follow')
  call.send(from)
  const messages = call.responses[Symbol.asyncIterator]()
  return {
    async next(): Promise<Update[]> {
      const group: Update[] = []
      for (;;) {
        const message = await messages.next()
        if (message.done === true) throw new Error('the stream ended')
        group.push(message.value)
        if (!message.value.more) break
      }
      call.send({ log_id: group[0]?.log_id ?? '', applied: group.at(-1)?.position ?? 0 })
      return group
    },
    end: () => call.end(),
  }
}

async function create(agent: TestIdentity, paths: readonly string[]): Promise<string[]> {
  const { results } = await server.admin(entryService).unary('BatchCreateEntry', {
    entries: paths.map((path) => wireEntry({ path, parent: agent.id })),
  })
  return results.map(({ entry }) => entry?.id ?? '')
}

const pathsOf = (group: readonly Update[]): string[] =>
  group.flatMap(({ entries }) => entries.map(({ spiffe_id }) => spiffe_id?.path ?? '')).sort()

test('an agent gets a snapshot first, then each change of its own and nothing of others', async () => {
  const [agent, other] = [await server.joinAgent(), await server.joinAgent()]
  const [first] = await create(agent, ['/first'])
  const stream = follow(agent, { log_id: '', applied: 0 })
  const snapshot = await stream.next()
  expect(snapshot[0]?.snapshot).toBe(true)
  expect(pathsOf(snapshot)).toEqual(['/first'])
  expect(snapshot.flatMap(({ bundles }) => bundles.map((one) => one.trust_domain))).toEqual([
    'example.org',
  ])
  await create(other, ['/of-another'])
  await create(agent, ['/second'])
  const change = await stream.next()
  expect(change[0]?.snapshot).toBe(false)
  expect(pathsOf(change)).toEqual(['/second'])
  await server.admin(entryService).unary('BatchDeleteEntry', { ids: [first ?? ''] })
  expect((await stream.next())[0]?.removed_entry_ids).toEqual([first])
  stream.end()
})

test('an agent that was away gets what it missed, or a snapshot where more than creations happened', async () => {
  const agent = await server.joinAgent()
  await create(agent, ['/a'])
  const stream = follow(agent, { log_id: '', applied: 0 })
  const { log_id, position } = (await stream.next()).at(-1) as Update
  stream.end()
  const [missed] = await create(agent, ['/b'])
  const resumed = follow(agent, { log_id, applied: position })
  const delta = await resumed.next()
  expect(delta[0]?.snapshot).toBe(false)
  expect(pathsOf(delta)).toEqual(['/b'])
  resumed.end()
  await server.admin(entryService).unary('BatchDeleteEntry', { ids: [missed ?? ''] })
  const again = follow(agent, { log_id, applied: position })
  const snapshot = await again.next()
  expect(snapshot[0]?.snapshot).toBe(true)
  expect(pathsOf(snapshot)).toEqual(['/a'])
  again.end()
})

test('another log id, or a position that the server has not reached, gets a snapshot', async () => {
  const agent = await server.joinAgent()
  const foreign = follow(agent, { log_id: 'another', applied: 1 })
  expect((await foreign.next())[0]?.snapshot).toBe(true)
  const { log_id } = (await follow(agent, { log_id: '', applied: 0 }).next())[0] as Update
  const ahead = follow(agent, { log_id, applied: 1_000_000 })
  expect((await ahead.next())[0]?.snapshot).toBe(true)
})

test('a snapshot of many entries comes in messages of some 32 KiB, and is applied as one', async () => {
  const agent = await server.joinAgent()
  for (let batch = 0; batch < 3; batch += 1) {
    await create(
      agent,
      Array.from({ length: 2000 }, (_, at) => `/many/${batch}-${at}-${'x'.repeat(400)}`),
    )
  }
  const group = await follow(agent, { log_id: '', applied: 0 }).next()
  expect(pathsOf(group)).toHaveLength(6000)
  // 600 bytes each.
  expect(Math.max(...group.map(({ entries }) => entries.length))).toBeLessThan(60)
})

test('T12 large bundles of others reach agents and operators all the same', async () => {
  const agent = await server.joinAgent()
  const padding = extension('1.3.6.1.4.1.99999.1', Buffer.alloc(15_000))
  const { der } = await root('large.test', { extra: [padding] })
  const names = ['large-1.test', 'large-2.test', 'large-3.test']
  const bundles = server.admin('spire.api.server.bundle.v1.Bundle')
  for (const name of names) {
    const x509_authorities = Array.from({ length: 200 }, () => ({ asn1: der }))
    const bundle = [{ trust_domain: name, x509_authorities }]
    const { results } = await bundles.unary('BatchSetFederatedBundle', { bundle })
    expect(results[0]?.status?.code).toBe(0)
  }
  const group = await follow(agent, { log_id: '', applied: 0 }).next()
  const held = group.flatMap(({ bundles }) => bundles.map(({ trust_domain }) => trust_domain))
  expect(held.sort()).toEqual(['example.org', ...names])
  const relationships = server.admin('spire.api.server.trustdomain.v1.TrustDomain')
  await relationships.unary('BatchCreateFederationRelationship', {
    federation_relationships: names.map((name) => ({
      trust_domain: name,
      bundle_endpoint_url: 'https://127.0.0.1/',
      https_web: {},
    })),
    output_mask: { bundle_endpoint_url: true },
  })
  const listed: string[] = []
  let token = ''
  do {
    const page = await bundles.unary('ListFederatedBundles', { page_token: token })
    listed.push(...page.bundles.map(({ trust_domain }) => trust_domain))
    token = page.next_page_token
  } while (token !== '')
  do {
    const page = await relationships.unary('ListFederationRelationships', { page_token: token })
    listed.push(...page.federation_relationships.map(({ trust_domain }) => trust_domain))
    token = page.next_page_token
  } while (token !== '')
  expect(listed).toEqual([...names, ...names])
  // An answer to a small request is as large as what there is already.
  const set = await bundles.unary('BatchUpdateFederatedBundle', {
    bundle: names.map((name) => ({ trust_domain: name, refresh_hint: 60 })),
    input_mask: { refresh_hint: true },
  })
  expect(set.results.map(({ bundle }) => bundle?.trust_domain)).toEqual(names)
  expect(set.results.map(({ bundle }) => bundle?.x509_authorities.length)).toEqual([200, 0, 0])
  const changed = await relationships.unary('BatchUpdateFederationRelationship', {
    federation_relationships: names.map((name) => ({
      trust_domain: name,
      bundle_endpoint_url: 'https://127.0.0.1/other',
    })),
    input_mask: { bundle_endpoint_url: true },
  })
  const shown = changed.results.map(({ federation_relationship: one }) => one?.trust_domain_bundle)
  expect(shown.map((bundle) => bundle?.x509_authorities.length)).toEqual([
    200,
    undefined,
    undefined,
  ])
  await relationships.unary('BatchDeleteFederationRelationship', { trust_domains: names })
  await bundles.unary('BatchDeleteFederatedBundle', { trust_domains: names })
})

test('who waits for a change is told when the agent has acknowledged it', async () => {
  const agent = await server.joinAgent()
  const stream = follow(agent, { log_id: '', applied: 0 })
  await stream.next()
  const registry = server.admin('countersign.registry.v1.Registry')
  const created = await registry.unary('BatchCreate', {
    entries: [{ entry: wireEntry({ path: '/waited-for', parent: agent.id }), owner: 'web' }],
  })
  const id = created.results[0]?.entry?.entry?.id ?? ''
  const request = { position: created.position, entry_ids: [id] }
  const early = await registry.unary('WaitApplied', { ...request, timeout_ms: 1 })
  expect(early.agents).toEqual([{ agent_id: agent.id, connected: true, applied: false }])
  const waiting = registry.unary('WaitApplied', { ...request, timeout_ms: 10_000 })
  await stream.next()
  expect((await waiting).agents).toEqual([{ agent_id: agent.id, connected: true, applied: true }])
  const { agents } = await server.admin('countersign.fleet.v1.Fleet').unary('ListStatus', {})
  expect(agents.find(({ agent_id }) => agent_id === agent.id)?.lag_ms).toBe('0')
  stream.end()
})

test('T19 a copy of an agent is kept out once both were seen, and is in the list and on record', async () => {
  const agent = await server.joinAgent()
  const from = (instance: string) => ({ log_id: '', applied: 0, instance })
  const original = follow(agent, from('original'))
  await original.next()
  const copy = follow(agent, from('copy'))
  await copy.next()
  await expect(original.next()).rejects.toMatchObject({ reason: 'stream-replaced' })
  await expect(follow(agent, from('original')).next()).rejects.toMatchObject({
    code: 'unavailable',
    reason: 'agent-duplicated',
    retryAfterMs: 30_000,
  })
  await create(agent, ['/for-the-one-that-is-in'])
  expect(pathsOf(await copy.next())).toEqual(['/for-the-one-that-is-in'])
  const { agents } = await server.admin('countersign.fleet.v1.Fleet').unary('ListStatus', {})
  expect(agents.find(({ agent_id }) => agent_id === agent.id)?.contended).toBe(true)
  await expect
    .poll(
      () =>
        readFileSync(server.config.auditFile, 'utf8').match(/"kind":"agent\.duplicated"/g)?.length,
    )
    .toBe(1)
  copy.end()
})

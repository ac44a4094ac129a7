import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '../../src/rpc/client.ts'
import type { SyncAuthorizedEntriesRequest$Input } from '../../src/rpc/gen/spire/api/server/entry/v1/SyncAuthorizedEntriesRequest.ts'
import type { SyncAuthorizedEntriesResponse } from '../../src/rpc/gen/spire/api/server/entry/v1/SyncAuthorizedEntriesResponse.ts'
import { reasonOf } from '../support/reason-of.ts'
import {
  type RunningServer,
  startServer,
  type TestIdentity,
  wireEntry,
} from '../support/running-server.ts'

let server: RunningServer

beforeAll(async () => {
  server = await startServer()
})

afterAll(() => server.remove())

const entryService = 'spire.api.server.entry.v1.Entry'

async function create(parent: TestIdentity, count: number): Promise<string[]> {
  const { results } = await server.admin(entryService).unary('BatchCreateEntry', {
    entries: Array.from({ length: count }, (_, at) =>
      wireEntry({ path: `/web/${at}`, parent: parent.id }),
    ),
  })
  return results.map(({ entry }) => entry?.id ?? '')
}

/** One stream as a polling agent has it; `next` gives the messages up to one without `more`. */
function poll(agent: TestIdentity, first: SyncAuthorizedEntriesRequest$Input) {
  const call = createClient(entryService, server.dial(agent)).bidi('SyncAuthorizedEntries')
  call.send(first)
  const messages = call.responses[Symbol.asyncIterator]()
  return {
    ask: (ids: readonly string[]) => call.send({ ids: [...ids] }),
    async next(): Promise<SyncAuthorizedEntriesResponse[]> {
      const group: SyncAuthorizedEntriesResponse[] = []
      for (;;) {
        const message = await messages.next()
        if (message.done === true) return group
        group.push(message.value)
        if (!message.value.more) return group
      }
    },
    async end() {
      call.end()
      return (await messages.next()).done
    },
  }
}

describe('SyncAuthorizedEntries', () => {
  test('up to 500 entries come whole, in one message that ends the stream', async () => {
    const [agent, other] = [await server.joinAgent(), await server.joinAgent()]
    const ids = await create(agent, 3)
    await create(other, 1)
    const stream = poll(agent, {})
    const [page] = await stream.next()
    expect(page?.entries.map(({ id }) => id).sort()).toEqual(ids.sort())
    expect(page?.entries[0]).toMatchObject({ revision_number: '0', spiffe_id: expect.anything() })
    expect(page?.entry_revisions).toEqual([])
    expect(await stream.next()).toEqual([])
  })

  test('of more, ids and revisions come first; then those that the agent asks for, of its own only', async () => {
    const [agent, other] = [await server.joinAgent(), await server.joinAgent()]
    const ids = await create(agent, 1201)
    const [foreign] = await create(other, 1)
    await server.admin(entryService).unary('BatchUpdateEntry', {
      entries: [{ id: ids[7] ?? '', hint: 'new' }],
      input_mask: { hint: true },
    })
    const stream = poll(agent, {
      output_mask: { revision_number: true, spiffe_id: true, hint: true },
    })
    const sparse = await stream.next()
    expect(sparse.map(({ entry_revisions, more }) => [entry_revisions.length, more])).toEqual([
      [500, true],
      [500, true],
      [201, false],
    ])
    const revisions = sparse.flatMap(({ entry_revisions }) => entry_revisions)
    expect(revisions.map(({ id }) => id).sort()).toEqual([...ids].sort())
    expect(revisions.filter(({ revision_number }) => revision_number === '1')).toMatchObject([
      { id: ids[7], created_at: expect.stringMatching(/^[1-9]/) },
    ])

    stream.ask([ids[7] ?? '', foreign ?? '', 'no-such-entry'])
    expect((await stream.next()).flatMap(({ entries }) => entries)).toEqual([
      expect.objectContaining({ id: ids[7], hint: 'new', selectors: [], revision_number: '1' }),
    ])
    stream.ask([])
    expect(await stream.next()).toMatchObject([{ entries: [], more: false }])
    stream.ask(ids.slice(0, 600))
    const whole = await stream.next()
    expect(whole.map(({ entries, more }) => [entries.length, more])).toEqual([
      [500, true],
      [100, false],
    ])
    expect(await stream.end()).toBe(true)
  })

  test('T12 a stream answers for each entry once and no more', async () => {
    const agent = await server.joinAgent()
    const ids = await create(agent, 501)
    const stream = poll(agent, {})
    await stream.next()
    stream.ask(ids)
    await stream.next()
    stream.ask([ids[0] ?? ''])
    expect(await reasonOf(stream.next())).toBe('sync-ids')
  })

  test('the first request names no ids and leaves the revision in', async () => {
    const agent = await server.joinAgent()
    expect(await reasonOf(poll(agent, { ids: ['a'] }).next())).toBe('sync-first-request')
    expect(await reasonOf(poll(agent, { output_mask: { hint: true } }).next())).toBe(
      'sync-first-request',
    )
  })
})

test('T12 large entries reach agents that poll and operators all the same', async () => {
  const agent = await server.joinAgent()
  const paths = Array.from({ length: 100 }, (_, at) => `/large/${at}`)
  const selectors = Array.from({ length: 50 }, (_, at) => `unix:path:/${at}${'x'.repeat(900)}`)
  const entries = server.admin(entryService)
  for (let at = 0; at < paths.length; at += 50) {
    const { results } = await entries.unary('BatchCreateEntry', {
      entries: paths
        .slice(at, at + 50)
        .map((path) => wireEntry({ path, parent: agent.id, selectors })),
    })
    expect(results.map(({ status }) => status?.code)).toEqual(Array(50).fill(0))
  }
  const ids: string[] = []
  let pages = 0
  for (let token = ''; pages === 0 || token !== ''; pages += 1) {
    const page = await entries.unary('ListEntries', {
      page_token: token,
      filter: { by_parent_id: { trust_domain: 'example.org', path: agent.id.slice(20) } },
    })
    ids.push(...page.entries.map(({ id }) => id))
    token = page.next_page_token
  }
  expect(pages).toBeGreaterThan(1)
  expect(ids).toHaveLength(100)
  const stream = poll(agent, {})
  const revisions = (await stream.next()).flatMap(({ entry_revisions }) => entry_revisions)
  expect(revisions.map(({ id }) => id).sort()).toEqual([...ids].sort())
  stream.ask(ids)
  const whole = await stream.next()
  expect(whole.length).toBeGreaterThan(1)
  expect(whole.flatMap(({ entries }) => entries.map(({ id }) => id))).toEqual([...ids].sort())
  const { results } = await entries.unary('BatchUpdateEntry', {
    entries: ids.map((id) => ({ id, hint: 'new' })),
    input_mask: { hint: true },
  })
  expect(results.map(({ entry }) => entry?.id)).toEqual(ids)
  expect(results.at(-1)?.entry?.selectors).toEqual([])
})

test('a list without pages is not cut at the size of a page', async () => {
  const agent = await server.joinAgent()
  await create(agent, 1100)
  const parent = {
    trust_domain: 'example.org',
    path: agent.id.slice('spiffe://example.org'.length),
  }
  const { entries, next_page_token } = await server
    .admin(entryService)
    .unary('ListEntries', { filter: { by_parent_id: parent } })
  expect([entries.length, next_page_token]).toEqual([1100, ''])
})

test(`agents are found by the time that SPIRE's tools write`, async () => {
  await server.joinAgent()
  const agents = server.admin('spire.api.server.agent.v1.Agent')
  const countBefore = async (by_expires_before: string) =>
    (await agents.unary('CountAgents', { filter: { by_expires_before } })).count
  expect(await countBefore('2020-01-31 12:00:00 -0500 -05')).toBe(0)
  expect(await countBefore('2099-01-31 12:00:00 +0000 UTC')).toBeGreaterThan(0)
  expect(await countBefore('2099-01-31T12:00:00Z')).toBeGreaterThan(0)
  expect(await reasonOf(countBefore('soon'))).toBe('agent-filter')
})

test('the log level is read, set and set back, on the admin socket only', async () => {
  const logger = server.admin('spire.api.server.logger.v1.Logger')
  expect(await logger.unary('GetLogger', {})).toEqual({
    current_level: 'INFO',
    launch_level: 'INFO',
  })
  expect(await logger.unary('SetLogLevel', { new_level: 'TRACE' })).toMatchObject({
    current_level: 'DEBUG',
  })
  expect(await reasonOf(logger.unary('SetLogLevel', {}))).toBe('log-level')
  expect(await logger.unary('ResetLogLevel', {})).toMatchObject({ current_level: 'INFO' })
})

test('the server shows its certificates with the names of their subjects, leaf first', async () => {
  const { svid_chain } = await server.admin('spire.api.server.debug.v1.Debug').unary('GetInfo', {})
  expect(svid_chain).toMatchObject([
    { id: { path: '/spire/server' }, subject: 'O=COUNTERSIGN,C=US' },
    {
      id: { path: '' },
      subject: expect.stringMatching(/^SERIALNUMBER=[0-9a-f]+,O=COUNTERSIGN,C=US$/),
    },
  ])
})

test('a filter that compares sets in a way without a name is refused, for entries and for agents', async () => {
  const selectors = [{ type: 'unix', value: 'uid:1' }]
  const by_selector_match = { selectors, match: 7 as never }
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  for (const filter of [
    { by_selectors: by_selector_match },
    { by_federates_with: { trust_domains: ['other.example'], match: 7 as never } },
  ]) {
    expect(await reasonOf(entries.unary('ListEntries', { filter }))).toBe('entry-filter')
    expect(await reasonOf(entries.unary('CountEntries', { filter }))).toBe('entry-filter')
  }
  const agents = server.admin('spire.api.server.agent.v1.Agent')
  expect(await reasonOf(agents.unary('ListAgents', { filter: { by_selector_match } }))).toBe(
    'entry-filter',
  )
})

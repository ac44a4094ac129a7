import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { IssuedBatch } from '../../server/store/issued-batch.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { runHere } from '../support/command.ts'
import { orders } from '../support/oauth.ts'
import { mint, startServer, wireEntry } from '../support/running-server.ts'
import { startTokenServer } from '../support/token-server.ts'

interface Row {
  readonly id: string
  readonly covered: string
  readonly findings: readonly { query: string; answer?: { text: string; attention: boolean } }[]
}

test('countersign report puts each row’s questions to the trail and to the server, as they are now', async () => {
  const server = await startServer()
  onTestFinished(() => server.remove())
  const agent = await server.joinAgent()
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', {
      entries: [wireEntry({ path: '/web', parent: agent.id })],
    })
  await server
    .admin('countersign.registry.v1.Registry')
    .unary('BatchDisable', { ids: [results[0]?.entry?.id ?? ''] })
  await mint(server, '/by-hand')
  const args = ['report', '--trail', server.config.auditFile]
  const live = [...args, '--admin-socket', server.config.adminSocket]
  const { stdout } = await runHere([...live, '--format', 'json'])
  const { trail, reports } = JSON.parse(stdout)
  expect(trail.records).toBeGreaterThan(3)
  const rows: Row[] = reports.flatMap((one: { rows: Row[] }) => one.rows)
  const answer = (id: string, query: string) =>
    rows.find((row) => row.id === id)?.findings.find((one) => one.query === query)?.answer
  expect(answer('NHI1:2025', 'entries that nobody answers for')).toEqual({
    text: 'of 1 entry 1 without an owner, 1 without a purpose',
    attention: true,
  })
  expect(answer('NHI1:2025', 'entries that are disabled')).toEqual({
    text: '1 of 1 entry',
    attention: true,
  })
  expect(answer('NHI1:2025', 'what was taken away')?.text).toMatch(
    /^0 entries deleted, 1 disabled, /,
  )
  expect(answer('NHI10:2025', 'SVIDs signed by hand')).toMatchObject({ attention: true })
  expect(answer('PR.AA-02', 'SVIDs and attestations')?.text).toMatch(
    /^\d+ SVIDs, 1 attestation of agents/,
  )
  expect(answer('NHI5:2025', 'who can reach what now')?.text).toBe(
    '0 grants with tokens that are good',
  )
  addGrants(join(server.config.dataDir, 'store.sqlite'), 1001)
  expect((await runHere(live)).stdout).toContain('at least 1000 grants with tokens that are good')
  expect(rows.find(({ id }) => id === 'PR.AA-06')?.covered).toBe('not')

  // One is signed each minute, and one at the stop.
  expect(answer('MEASURE 2.8', 'the last signed head')).toMatchObject({ attention: true })

  const text = await runHere([...live, '--framework', 'csf'])
  expect(text.stdout).toContain('PR.AC-1 became PR.AA-01')
  expect(text.stdout).toMatch(/LOOK {7}bound tokens|now {8}bound tokens/)
  const markdown = await runHere([...args, '--framework', 'nhi', '--format', 'markdown'])
  expect(markdown.stdout).toContain('NHI7 (Long-Lived Secrets), and not NHI3')
  expect(markdown.stdout.split('\n').filter((line) => line.startsWith('| **NHI'))).toHaveLength(10)
  expect(markdown.stdout).toContain('the server was not asked')
  await server.stop()
  const stopped = await runHere([...args, '--framework', 'ai-rmf', '--format', 'markdown'])
  expect(stopped.stdout).toMatch(/\| the last signed head: of 20/)
})

test('countersign report tells of static keys that are good now, and of how long, where secrets are that live on', async () => {
  const server = await startTokenServer()
  onTestFinished(() => server.remove())
  const socket = ['--admin-socket', server.config.adminSocket]
  const add = async (name: string, expires: string) => {
    const about = ['--owner', 'shops', '--purpose', 'old tills', '--network', '10.7.0.0/16']
    const what = ['--resource', orders, '--scope', 'orders:read', '--expires', expires]
    const { stdout } = await runHere([
      'legacy',
      'add',
      name,
      ...about,
      ...what,
      ...socket,
      '-o',
      'json',
    ])
    return JSON.parse(stdout)
  }
  const answers = async () => {
    const { stdout } = await runHere(['report', ...socket, '--format', 'json'])
    const rows: Row[] = JSON.parse(stdout).reports.flatMap((one: { rows: Row[] }) => one.rows)
    return rows.flatMap(({ id, findings }) =>
      findings
        .filter(({ query }) => query === 'static keys of callers')
        .map(({ answer }) => ({ id, ...answer })),
    )
  }
  const ids = ['NHI1:2025', 'NHI2:2025', 'NHI4:2025', 'NHI7:2025', 'PR.AA-01']
  const none = { text: 'none is good', attention: false }
  expect(await answers()).toEqual(ids.map((id) => ({ id, ...none })))
  const { expiresAt } = await add('till-7', '90d')
  await add('till-8', '30d')
  const text = `2 are good, the last until ${expiresAt}; 0 of them not used for 14 days`
  expect(await answers()).toEqual(ids.map((id) => ({ id, text, attention: true })))
  for (const end of [
    ['legacy', 'remove', 'till-7'],
    ['revoke', 'spiffe-id', 'spiffe://example.org/legacy/till-8', '--reason', 'drill'],
  ]) {
    expect(await runHere([...end, ...socket])).toMatchObject({ code: 0 })
  }
  expect(await answers()).toEqual(ids.map((id) => ({ id, ...none })))
})

test('countersign report goes without what it is not told of, and refuses what is not there', async () => {
  const nothing = await runHere(['report', '--framework', 'nhi'])
  expect(nothing).toMatchObject({ code: 0 })
  expect(nothing.stderr).toContain('name it with --trail')
  expect(nothing.stdout).toContain('the trail was not asked')
  expect((await runHere(['report', '--trail', '/none'])).stderr).toContain('audit-file-unreadable')
  expect((await runHere(['report', '--admin-socket', '/none'])).code).toBe(69)
  for (const wrong of [
    ['--framework', 'soc2'],
    ['--format', 'pdf'],
    ['--since', 'ever'],
  ]) {
    expect((await runHere(['report', ...wrong])).code).toBe(64)
  }
})

/** As if tokens for so many resources had been issued. */
function addGrants(databasePath: string, count: number): void {
  const batch = new IssuedBatch()
  const web = SpiffeId.parse('spiffe://example.org/web')
  const nowMs = Date.now()
  for (let at = 0; at < count; at += 1) {
    batch.add({
      ...{
        jti: `jti-${at}`,
        txn: `txn-${at}`,
        parent: undefined,
        entryId: 'e1',
        owner: 'web-team',
      },
      ...{ subject: web, clientId: web, audience: `https://${at}.example`, scopes: ['read'] },
      ...{ auth: 'spiffe_jwt', address: '', actors: [] },
      ...{ issuedAt: new Date(nowMs), expiresAt: new Date(nowMs + 300_000) },
    })
  }
  const database = new SqliteDatabase(databasePath)
  const rows = batch.close()
  const names = Object.keys(rows[0] ?? {})
  const insert = database.prepare(
    `INSERT INTO issued_grants (${names.join()}) VALUES (${names.map((name) => `@${name}`).join()})`,
  )
  database.transaction(() => rows.map((row) => insert.run(row)))()
  database.close()
}

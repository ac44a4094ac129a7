import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { verifyFiles } from '../../src/audit/verify-files.ts'
import { createClient } from '../../src/rpc/client.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { version } from '../../src/runtime/version.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { runHere } from '../support/command.ts'
import { mint, startServer, wireEntry } from '../support/running-server.ts'
import { startSyslogServer } from '../support/syslog-server.ts'

interface Line {
  readonly kind: string
  readonly actor: Record<string, unknown>
  readonly reason?: string
  readonly details?: Record<string, unknown>
}

test('the trail tells of start and stop, and of what a known caller was refused', async () => {
  const server = await startServer()
  onTestFinished(() => server.remove())
  const agent = await server.joinAgent()
  const web = await mint(server, '/web')
  const list = (identity?: typeof web) =>
    createClient('spire.api.server.entry.v1.Entry', server.dial(identity)).unary('ListEntries', {})
  for (const identity of [agent, web, undefined]) {
    await expect(list(identity)).rejects.toMatchObject({ reason: 'access-denied' })
  }
  const trace = `00-${'a1'.repeat(16)}-${'b2'.repeat(8)}-01`
  await server
    .admin('spire.api.server.agent.v1.Agent')
    .unary(
      'BanAgent',
      { id: { trust_domain: 'example.org', path: SpiffeId.pathOf(agent.id) } },
      { metadata: { traceparent: trace } },
    )
  await expect(list(agent)).rejects.toMatchObject({ reason: 'agent-banned' })
  await server.stop()
  const text = readFileSync(server.config.auditFile, 'utf8')
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
  const started = lines.filter(({ kind }) => kind === 'server.started')
  expect(started).toMatchObject([
    { actor: { kind: 'server' }, details: { version, node: process.version } },
  ])
  expect(started[0]?.details?.['configSha256']).toMatch(/^[0-9a-f]{64}$/)
  expect(lines.at(-2)).toMatchObject({ kind: 'server.stopped', reason: 'asked' })
  // What it was when the server stopped is signed, and so cannot be cut off where a sink has the last line.
  expect(lines.at(-1)).toMatchObject({ kind: 'trail.head' })
  expect(lines.find(({ kind }) => kind === 'agent.banned')).toMatchObject({ trace })
  // The operator who gave the join token, and the agent that came with it.
  for (const kind of ['token.created', 'agent.attested']) {
    expect(lines.filter((line) => line.kind === kind)).toMatchObject([{ spiffeId: agent.id }])
  }
  const denied = lines.filter(({ kind }) => kind === 'access.denied')
  expect(denied).toMatchObject([
    { actor: { kind: 'agent', id: agent.id }, reason: 'access-denied' },
    { actor: { kind: 'workload', id: web.id }, reason: 'access-denied' },
    {
      actor: { kind: 'agent', id: agent.id },
      reason: 'agent-banned',
      details: { method: '/spire.api.server.entry.v1.Entry/ListEntries' },
    },
  ])
  expect(text).not.toContain(join(server.folder, 'server'))
  expect(await verifyFiles(server.config.auditFile)).toMatchObject({
    fault: undefined,
    heads: { last: { head: { number: lines.length - 1 } }, unknownKeys: [] },
  })
})

test('T12 an entry of another agent that is asked for in a batch is on record, few of many', async () => {
  const server = await startServer()
  onTestFinished(() => server.remove())
  const [agent, other] = [await server.joinAgent(), await server.joinAgent()]
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', { entries: [wireEntry({ path: '/web', parent: other.id })] })
  const foreign = results[0]?.entry?.id ?? ''
  const client = createClient('spire.api.server.svid.v1.SVID', server.dial(agent))
  const ask = (entry_id: string, count: number) =>
    client.unary('BatchNewX509SVID', {
      params: Array.from({ length: count }, () => ({ entry_id, csr: Buffer.alloc(1) })),
    })
  const [gone] = (await ask('no-such-entry', 1)).results
  const refused = (await ask(foreign, 50)).results
  // Which of the two it is, the agent is not told.
  for (const { status } of refused) expect(status).toEqual(gone?.status)
  await expect(
    client.unary('NewJWTSVID', { entry_id: foreign, audience: ['a'] }),
  ).rejects.toMatchObject({ code: 'not-found', reason: 'entry-not-authorised' })
  await server.stop()
  const denied = readFileSync(server.config.auditFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"access.denied"'))
    .map((line) => JSON.parse(line) as Line)
  // Five, and one more for each second that this machine took.
  expect(denied.length).toBeGreaterThanOrEqual(5)
  expect(denied.length).toBeLessThan(25)
  for (const line of denied) {
    expect(line).toMatchObject({
      ...{ actor: { kind: 'agent', id: agent.id }, reason: 'entry-not-authorised' },
      details: { method: expect.stringMatching(/^\/spire\.api\.server\.svid\.v1\.SVID\//) },
    })
  }
})

/** A sink outside the machine, and a folder for what is made of it; both go with the test. */
async function startSink() {
  const folder = mkdtempSync(join(tmpdir(), 'sink-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const far = await startSyslogServer()
  onTestFinished(() => far.close())
  const { address } = far
  const auditSinks = [
    { name: 'far', type: 'syslog', to: { transport: 'tcp', address }, ca: undefined },
  ] as const
  return { folder, far, auditSinks }
}

test('a sink has all of the trail when the server has stopped, and its last head finds a cut-off end', async () => {
  const { folder, far, auditSinks } = await startSink()
  const server = await startServer({ overrides: { auditSinks } })
  onTestFinished(() => server.remove())
  await mint(server, '/web')
  await server.stop()
  const { auditFile } = server.config
  const lines = readFileSync(auditFile, 'utf8').trimEnd().split('\n')
  await expect.poll(() => far.text().includes(lines.at(-1) ?? 'nothing')).toBe(true)
  for (const line of lines) expect(far.text()).toContain(line)
  const anchor = join(folder, 'far.log')
  writeFileSync(anchor, far.text())
  const verify = () => runHere(['audit', 'verify', auditFile, '--anchor', anchor])
  expect(await verify()).toMatchObject({ code: 0 })
  writeFileSync(auditFile, `${lines.slice(0, -3).join('\n')}\n`)
  expect((await verify()).stderr).toContain('error[audit-head-beyond]')
})

test('T10 a trail that was taken away is missed by the server at its next start, and by who looks at what the sink has', async () => {
  const { folder, far, auditSinks } = await startSink()
  const said: string[] = []
  const log = { ...silentLog, error: (message: string) => void said.push(message) }
  const run = async () => {
    const server = await startServer({ folder, overrides: { auditSinks }, log })
    await mint(server, '/web')
    await server.stop()
    const { auditFile } = server.config
    const lines = readFileSync(auditFile, 'utf8').trimEnd().split('\n')
    await expect.poll(() => far.text().includes(lines.at(-1) ?? 'nothing')).toBe(true)
    const chain = readFileSync(`${auditFile}.id`, 'utf8').trim()
    return { auditFile, chain, lines }
  }
  const before = await run()
  expect(said).toEqual([])
  const { auditFile } = before
  rmSync(auditFile)
  rmSync(`${auditFile}.id`)
  const { chain, lines } = await run()
  expect(said).toContain('the audit trail is not the one that the store knows')
  expect(chain).not.toBe(before.chain)
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    ...{ kind: 'trail.begun', details: { chain, before: before.chain } },
  })
  expect(far.text()).toContain(lines[0])
  const anchor = join(folder, 'far.log')
  writeFileSync(anchor, far.text())
  // The key that somebody has kept of the trail before.
  const { heads } = await verifyFiles(auditFile)
  const args = ['audit', 'verify', auditFile, '--anchor', anchor, '--key', heads?.last?.key ?? '']
  const found = await runHere(args)
  expect(found.code).toBe(1)
  expect(found.stderr).toContain(`another trail: ${before.chain} (up to record `)
  expect(await runHere([...args, '--other-chain', before.chain])).toMatchObject({ code: 0 })
})

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inStore } from '../../server/oauth/settings.ts'
import { runHere } from '../support/command.ts'
import { allowWeb, oauthSettings, orders } from '../support/oauth.ts'
import { agentIdOf, startAgent } from '../support/running-agent.ts'
import { type RunningServer, startServer, wireEntry } from '../support/running-server.ts'
import { type WebCertificate, webCertificate } from '../support/web-certificate.ts'

const web = 'spiffe://example.org/web'
const folder = mkdtempSync(join(tmpdir(), 'cs-policy-'))
let certificate: WebCertificate
let server: RunningServer

beforeAll(async () => {
  certificate = await webCertificate('as.example.org', 'localhost')
  server = await startServer({ overrides: { oauth: oauthSettings(certificate, inStore) } })
  const agent = await startAgent(server)
  const parent = await agentIdOf(server)
  await agent.stop()
  await server.admin('spire.api.server.entry.v1.Entry').unary('BatchCreateEntry', {
    entries: [wireEntry({ path: '/web', parent, selectors: ['unix:uid:1'] })],
  })
})

afterAll(async () => {
  await server?.remove()
  for (const one of [folder, certificate.folder]) rmSync(one, { recursive: true, force: true })
})

async function policy(...args: readonly string[]) {
  const socket = ['--admin-socket', server.config.adminSocket]
  const { stdout, stderr, code } = await runHere(['policy', ...args, ...socket, '-o', 'json'])
  return { code, stderr, said: stdout === '' ? undefined : JSON.parse(stdout) }
}

function apply(text: string) {
  writeFileSync(join(folder, 'all.cedar'), text)
  return policy('apply', folder)
}

async function decision(): Promise<{ allowed: boolean; reason: string }> {
  const { said } = await policy('explain', web, '--resource', orders, '--scope', 'orders:read')
  return said.answers[0]
}

test('what is applied is in force by itself, in the history, and on record with who did it', async () => {
  expect(await decision()).toMatchObject({ allowed: false, reason: 'policy-none' })
  const { said } = await apply(allowWeb)
  expect(said).toMatchObject({ version: 1, changed: true })
  await expect.poll(decision, { interval: 20 }).toMatchObject({ allowed: true })
  expect((await apply(allowWeb)).said).toMatchObject({ version: 1, changed: false })
  expect((await apply('')).said).toMatchObject({ version: 2, changed: true })
  await expect.poll(decision, { interval: 20 }).toMatchObject({ allowed: false })

  expect((await policy('show', '1')).said).toMatchObject({
    revision: said.revision,
    files: [{ name: 'all.cedar', text: allowWeb }],
  })
  expect((await policy('show')).said).toMatchObject({ version: 2 })
  expect((await policy('history')).said.map((one: { version: number }) => one.version)).toEqual([
    2, 1,
  ])
  const records = readFileSync(server.config.auditFile, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const applied = records.filter(({ kind }) => kind === 'policy.applied')
  expect(applied).toMatchObject([
    { actor: { kind: 'local', uid: process.getuid?.() }, details: { version: 1, policies: 1 } },
    { details: { version: 2, policies: 0 } },
  ])
  expect(applied[0].policyRevision).toBe(said.revision)
})

test('what does not fit the schema cannot be applied, and what was in force stays', async () => {
  await apply(allowWeb)
  await expect.poll(decision, { interval: 20 }).toMatchObject({ allowed: true })
  const before = (await policy('show')).said.version
  for (const [text, reason] of [
    [`${allowWeb} @id("x") forbid (principal, action, resource) when { context.scpes };`, 'schema'],
    ['permit (principal, action, resource);', 'id'],
    ['permit (', 'syntax'],
  ] as const) {
    const { code, stderr } = await apply(text)
    expect(code).toBe(1)
    expect(stderr).toContain(`error[policy-${reason}]`)
  }
  expect((await policy('show')).said.version).toBe(before)
  expect(await decision()).toMatchObject({ allowed: true })
  expect((await policy('show', '99')).stderr).toContain('error[policy-version]')
})

test('nothing is applied where a case is decided otherwise', async () => {
  const cases = join(folder, 'cases.yaml')
  const write = (expected: string) =>
    writeFileSync(
      cases,
      `cases: [{name: web, entry: {id: ${web}}, resource: ${orders}, scopes: [orders:read], expect: ${expected}}]`,
    )
  writeFileSync(join(folder, 'all.cedar'), `${allowWeb}\n// again`)
  const before = (await policy('show')).said.version
  write('deny')
  const refused = await policy('apply', folder, '--cases', cases)
  expect([refused.code, refused.stderr.includes('error[policy-cases]')]).toEqual([1, true])
  expect((await policy('show')).said.version).toBe(before)
  write('allow')
  expect((await policy('apply', folder, '--cases', cases)).said.version).toBe(before + 1)
})

test.for([
  [[]],
  [['b.cedar', 'a.cedar']],
  [['a.cedar', 'a.cedar']],
  [['../a.cedar']],
  [['a.txt']],
  [Array.from({ length: 257 }, (_, n) => `a${String(n).padStart(3, '0')}.cedar`)],
])('files that are not those of one folder are refused: %#', async ([names]) => {
  const files = (names as string[]).map((name) => ({ name, text: '' }))
  const client = server.admin('countersign.policy.v1.Policies')
  await expect(client.unary('Apply', { files })).rejects.toMatchObject({ reason: 'policy-files' })
})

test('a server whose policies are in a folder takes none', async () => {
  writeFileSync(join(folder, 'all.cedar'), '')
  const other = await startServer({ overrides: { oauth: oauthSettings(certificate, folder) } })
  try {
    const client = other.admin('countersign.policy.v1.Policies')
    for (const call of [
      client.unary('Apply', { files: [] }),
      client.unary('Show', {}),
      client.unary('History', {}),
    ]) {
      await expect(call).rejects.toMatchObject({ reason: 'policy-not-in-store' })
    }
  } finally {
    await other.remove()
  }
})

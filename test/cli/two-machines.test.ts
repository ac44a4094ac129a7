import type { ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { run, runHere, start } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'

const folder = mkdtempSync(join(tmpdir(), 'cs-two-'))
const children: ChildProcess[] = []

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

const adminSocket = join(folder, 'server', 'admin', 'api.sock')

/** A verb of the operator. */
const admin = (...args: readonly string[]) => runHere([...args, '--admin-socket', adminSocket])

function launch(
  args: readonly string[],
  input?: string,
): { child: ChildProcess; log: () => string } {
  const child = start(args, { cwd: folder })
  children.push(child)
  let text = ''
  child.stderr?.on('data', (chunk) => {
    text += String(chunk)
  })
  if (input !== undefined) child.stdin?.end(input)
  return { child, log: () => text }
}

async function stopped(child: ChildProcess): Promise<number | null> {
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  child.kill('SIGTERM')
  return ended
}

test('a server and an agent as on two machines: config file, token on standard input, pinned CA key', async () => {
  const [port, httpPort] = [await freePort(), await freePort()]
  const config = join(folder, 'server.yaml')
  writeFileSync(
    config,
    [
      'trust_domain: example.org',
      `data_dir: ${join(folder, 'server')}`,
      `bind_address: 127.0.0.1:${port}`,
      `http_address: 127.0.0.1:${httpPort}`,
      '',
    ].join('\n'),
  )
  const server = launch(['server', 'run', '--config', config])
  await expect.poll(() => existsSync(adminSocket), { timeout: 100_000 }).toBe(true)
  expect((await admin('server', 'health', '--wait')).code).toBe(0)
  expect((await fetch(`http://127.0.0.1:${httpPort}/ready`)).status).toBe(200)

  const made = await admin('token', 'create', '-o', 'json')
  const { token, trustCaSha256 } = JSON.parse(made.stdout) as {
    token: string
    trustCaSha256: string[]
  }
  const socket = join(folder, 'agent', 'public', 'api.sock')
  const agentArgs = [
    ...['agent', 'run', '--trust-domain', 'example.org'],
    ...['--server-address', `127.0.0.1:${port}`, '--data-dir', join(folder, 'agent')],
    ...['--trust-ca-sha256', trustCaSha256.join(',')],
  ]
  const agent = launch([...agentArgs, '--join-token-file', '-'], `${token}\n`)
  const workload = { SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` }
  expect((await runHere(['agent', 'health', '--wait'], workload)).code).toBe(0)
  const list = await admin('agent', 'list', '-o', 'json')
  const [{ id } = { id: '' }] = JSON.parse(list.stdout) as { id: string }[]
  const entry = await admin(
    ...['entry', 'create', '--parent-id', id, '--spiffe-id', 'spiffe://example.org/w'],
    ...['--selector', `unix:uid:${process.getuid?.()}`, '--wait'],
  )
  expect(entry.stderr).toContain('held by 1 of 1 agents')
  expect((await runHere(['fetch', 'x509'], workload)).stdout).toContain('spiffe://example.org/w')

  const metrics = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text()
  expect(metrics).toMatch(/countersign_server_svids_issued_total\{kind="x509"\} [1-9]/)
  expect(metrics).toMatch(/countersign_server_rpc_seconds_bucket\{.*le="0\.001"/)
  expect(metrics).toContain('countersign_server_connected_agents 1')
  for (const log of [server.log(), agent.log(), metrics]) expect(log).not.toContain(token)

  expect(await stopped(agent.child)).toBe(0)
  expect(existsSync(socket)).toBe(false)

  // T22: what others could have read is not trusted.
  const wrappingKey = join(folder, 'server', 'wrapping.key')
  expect(await stopped(server.child)).toBe(0)
  chmodSync(wrappingKey, 0o644)
  const loose = await run(['server', 'run', '--config', config])
  expect(loose.code).not.toBe(0)
  expect(loose.stderr).toContain('chmod')
  chmodSync(wrappingKey, 0o600)
}, 300_000)

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { WorkloadApiClient } from 'countersign'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { agentIdOf, startAgent } from '../support/running-agent.ts'
import { startServer, wireEntry } from '../support/running-server.ts'
import { type InstalledPackage, installPackage, PATIENCE_MS } from './installed-package.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(join(root, 'src/README.md'), 'utf8')

/** The lines of the README's program of this name. */
function linesOf(name: string): readonly string[] {
  const title = `// ${name}`
  const block = readme.split('```').find((text) => text.split('\n')[1] === title) ?? ''
  return block.trim().split('\n').slice(2)
}

/** Runs a program of the README in a process of its own. */
function run(
  installed: InstalledPackage,
  name: string,
  port: number,
  socket: string,
): ChildProcessByStdio<null, Readable, null> {
  const file = join(installed.folder, name)
  writeFileSync(
    file,
    linesOf(name)
      .join('\n')
      .replace(/\b8443|8080\b/, String(port)),
  )
  const child = spawn(process.execPath, [file], {
    env: { PATH: process.env['PATH'], SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

test('the programs of the README run as they stand: two services of five lines each that trust each other, tokens, and a test', {
  timeout: PATIENCE_MS,
}, async () => {
  expect([linesOf('server.mjs').length, linesOf('client.mjs').length]).toEqual([5, 5])
  const installed = installPackage()
  onTestFinished(() => installed.remove())
  const server = await startServer()
  onTestFinished(() => server.remove())
  const agent = await startAgent(server)
  onTestFinished(() => agent.stop())
  const entry = {
    path: '/web',
    parent: await agentIdOf(server),
    selectors: [`unix:uid:${process.getuid?.()}`],
  }
  await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', { entries: [wireEntry(entry)] })
  const port = await freePort()
  run(installed, 'server.mjs', port, agent.socket)
  await expect.poll(() => isOpen(port), { timeout: 120_000 }).toBe(true)
  const client = run(installed, 'client.mjs', port, agent.socket)
  const [printed] = await once(client.stdout, 'data')
  expect(String(printed)).toBe('hello spiffe://example.org/web\n')
  const tokens = run(installed, 'tokens.mjs', port, agent.socket)
  const [told] = await once(tokens.stdout, 'data')
  expect(String(told)).toBe('spiffe://example.org/web true\n')
  const apiPort = await freePort()
  // As `npm install express` would leave it.
  symlinkSync(join(root, 'node_modules/express'), join(installed.folder, 'node_modules/express'))
  run(installed, 'api.mjs', apiPort, agent.socket)
  await expect.poll(() => isOpen(apiPort), { timeout: 120_000 }).toBe(true)
  await using workload = new WorkloadApiClient({ endpoint: `unix://${agent.socket}` })
  const { token } = await workload.fetchJwtSvid('https://api.example.org')
  const api = `http://127.0.0.1:${apiPort}/`
  const answer = await fetch(api, { headers: { authorization: `Bearer ${token}` } })
  expect(await answer.text()).toBe('hello spiffe://example.org/web')
  expect((await fetch(api)).status).toBe(401)
  // The test of an outage takes its agent along.
  const [code] = await once(run(installed, 'outage.test.mjs', port, '/nowhere'), 'close')
  expect(code).toBe(0)
})

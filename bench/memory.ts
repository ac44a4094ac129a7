// What server and agent hold with 10,000 entries for that agent and no stream open, more than a minute
// after the last of them, so that what grows slowly shows: the bundle, started as an operator starts it,
// with no setting of V8 or of the C library; then the same with a smaller young generation. For
// orientation: what a Node process holds that does nothing, and one that has loaded grpc-js. `fileMb` is
// Node's own file for the most part, shared by all.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient } from '../src/rpc/client.ts'
import { dialUnix } from '../src/rpc/dial.ts'
import { freePort } from '../test/support/free-port.ts'
import { wireEntry } from '../test/support/running-server.ts'
import { cpuSeconds, memoryOf } from './support/child.ts'
import { eventually, startCommand, stopCommand, withBundle } from './support/command.ts'
import { agentIdAmong } from './support/countersign.ts'
import { bounded, type Figure, report, short } from './support/report.ts'

const entryCount = short ? 2000 : 10_000
const idleSeconds = short ? 2 : 10
// An idle process collects after ten seconds, and trims after another ten; its minutely work is seen too.
const restSeconds = short ? 1 : 65
const root = fileURLToPath(new URL('..', import.meta.url))

function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, count * 1000))
}

/** Until neither has used a whole tenth of a second of a core for some seconds. */
async function idle(pids: readonly number[]): Promise<void> {
  for (let quiet = 0; quiet < idleSeconds; ) {
    const before = pids.map(cpuSeconds)
    await seconds(1)
    quiet = pids.every((pid, at) => cpuSeconds(pid) - (before[at] ?? 0) < 0.1) ? quiet + 1 : 0
  }
}

async function measure(nodeOptions: string): Promise<Record<'server' | 'agent', Figure>> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const [port, httpPort] = [await freePort(), await freePort()]
  const options = { logLevel: 'error', nodeOptions }
  const server = startCommand(
    [
      ...['server', 'run', '--trust-domain', 'example.org', '--data-dir', join(folder, 'server')],
      ...['--bind-address', `127.0.0.1:${port}`, '--http-address', `127.0.0.1:${httpPort}`],
    ],
    options,
  )
  const channel = dialUnix(join(folder, 'server', 'admin', 'api.sock'))
  const agents = createClient('spire.api.server.agent.v1.Agent', channel)
  const { value } = await eventually(() => agents.unary('CreateJoinToken', { ttl: 600 }))
  const tokenFile = join(folder, 'token')
  writeFileSync(tokenFile, value, { mode: 0o600 })
  const agent = startCommand(
    [
      ...['agent', 'run', '--trust-domain', 'example.org', '--data-dir', join(folder, 'agent')],
      ...['--server-address', `127.0.0.1:${port}`, '--insecure-bootstrap'],
      ...['--join-token-file', tokenFile, '--socket', join(folder, 'agent.sock.d', 'api.sock')],
    ],
    options,
  )
  const parent = await eventually(async () =>
    agentIdAmong((await agents.unary('ListAgents', {})).agents),
  )
  const entries = createClient('spire.api.server.entry.v1.Entry', channel)
  for (let from = 0; from < entryCount; from += 500) {
    const batch = Array.from({ length: 500 }, (_, at) =>
      wireEntry({ path: `/bench/${from + at}`, parent, selectors: [`unix:uid:${from + at}`] }),
    )
    await entries.unary('BatchCreateEntry', { entries: batch }, { timeoutMs: 60_000 })
  }
  channel.close()
  const pids = [server.pid ?? 0, agent.pid ?? 0] as const
  await idle(pids)
  await seconds(restSeconds)
  const held = (pid: number, most: number): Figure => {
    const { rssMb, ...parts } = memoryOf(pid)
    return bounded(rssMb, most, 'MB', { ...parts, entries: entryCount, nodeOptions })
  }
  const figures = { server: held(pids[0], 150), agent: held(pids[1], 100) }
  await stopCommand(agent)
  await stopCommand(server)
  rmSync(folder, { recursive: true, force: true })
  return figures
}

async function bare(program: string): Promise<Figure> {
  const child = spawn(
    process.execPath,
    ['-e', `${program}; console.log('ready'); setInterval(() => {}, 1000)`],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await new Promise((resolve) => child.stdout.once('data', resolve))
  await seconds(1)
  const { rssMb, ...parts } = memoryOf(child.pid ?? 0)
  child.kill()
  return { ours: rssMb, unit: 'MB', ...parts }
}

await withBundle(async () => {
  const bareNode = await bare('')
  const bareGrpc = await bare(`require('@grpc/grpc-js')`)
  const plain = await measure('')
  const small = await measure('--max-semi-space-size=2')
  report('memory', {
    bareNode,
    bareGrpc,
    ...plain,
    serverSmallYoung: small.server,
    agentSmallYoung: small.agent,
  })
})

import { chmodSync, lstatSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { userInfo } from 'node:os'
import { dirname, resolve } from 'node:path'
import { Command } from 'commander'
import { CountersignError } from '../errors.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import { systemClock } from '../runtime/clock.ts'
import { Secret } from '../runtime/secret.ts'
import { runTogether } from '../runtime/tasks.ts'
import { endpointVariable } from '../workload-api/endpoint.ts'
import { devSockets, withServer } from './admin.ts'
import { registerUser } from './dev-entry.ts'
import { showIdentity } from './dev-show.ts'
import type { Io } from './io.ts'
import { launchAgent, launchServer, loadAgent, loadServer } from './launch.ts'

type ServerConfig = Awaited<ReturnType<typeof loadServer>>
type AgentConfig = Awaited<ReturnType<typeof loadAgent>>

const inUse: ReadonlySet<string> = new Set(['socket-in-use', 'data-in-use'])

interface Options {
  readonly trustDomain: string
  readonly verbose?: boolean
}

/** `countersign dev` */
export function dev(io: Io): Command {
  return new Command('dev')
    .description('a server and an agent on this machine, with an entry for you')
    .option('--trust-domain <name>', 'name of the trust domain', 'example.org')
    .option('--verbose', 'show the logs of both')
    .addHelpText(
      'after',
      `
Example:
  countersign dev

Data is kept in ./.countersign. Stop it with Ctrl-C; the next start goes on where this one ended.`,
    )
    .action((options: Options) => runDev(io, options))
}

async function runDev(io: Io, options: Options): Promise<void> {
  const startedMs = systemClock.monotonicMs()
  const dataDir = resolve('.countersign')
  const sockets = devSockets(io.env)
  makeOwnFolder(dirname(sockets.admin))
  const logLevel = options.verbose === true ? 'info' : 'error'
  const server = await loadServer({
    file: undefined,
    env: {},
    flags: {
      trust_domain: options.trustDomain,
      data_dir: resolve(dataDir, 'server'),
      bind_address: `127.0.0.1:${await freePort()}`,
      admin_socket: sockets.admin,
      http_address: 'false',
      log_level: logLevel,
    },
  })
  const stopping = new AbortController()
  const signal = AbortSignal.any([io.signal, stopping.signal])
  const serverReady = Promise.withResolvers<void>()
  const running = launchServer(server, signal, { onReady: () => serverReady.resolve() })
  running.catch(serverReady.reject)
  try {
    await serverReady.promise
    await runTogether(
      signal,
      () => running,
      async (until) => {
        // The server has been running since before this began: it ends when this does.
        until.addEventListener('abort', () => stopping.abort(until.reason), { once: true })
        const agent = await agentBeside(server, sockets.agent, dataDir, logLevel, io)
        const agentReady = Promise.withResolvers<void>()
        await runTogether(
          until,
          (inner) =>
            launchAgent(agent, inner, {
              onReady: () => agentReady.resolve(),
              joinToken: () => newToken(io, sockets.admin),
            }),
          async () => {
            await agentReady.promise
            await showAll(io, agent, sockets, startedMs)
          },
        )
      },
    )
  } catch (error) {
    throw alreadyRunning(error, dataDir)
  } finally {
    stopping.abort(new DOMException('stopped', 'AbortError'))
    await running.catch(() => {})
  }
  io.note('stopped')
}

async function showAll(
  io: Io,
  agent: AgentConfig,
  sockets: { readonly admin: string; readonly agent: string },
  startedMs: number,
): Promise<void> {
  const user = userInfo()
  const entry = await withServer(
    io,
    { adminSocket: sockets.admin, output: 'table' },
    (channel: RpcChannel) => registerUser(channel, agent.trustDomain, user),
  )
  await showIdentity(io, `unix://${sockets.agent}`)
  const seconds = ((systemClock.monotonicMs() - startedMs) / 1000).toFixed(1)
  io.write(`
A server and an agent are running for the trust domain ${agent.trustDomain} (${seconds} s).
  workload api   ${sockets.agent}
  admin socket   ${sockets.admin}
  your entry     ${entry.spiffeId} for unix:uid:${user.uid}

In another terminal, in this folder:

  export ${endpointVariable}=unix://${sockets.agent}
  npx countersign fetch jwt --audience https://api.example.org
  npx countersign entry create --help

Ctrl-C stops both; the data stays in .countersign.
`)
}

async function agentBeside(
  server: ServerConfig,
  socket: string,
  dataDir: string,
  logLevel: string,
  io: Io,
): Promise<AgentConfig> {
  const hashes = await withServer(
    io,
    { adminSocket: server.adminSocket, output: 'table' },
    async (channel) => (await import('./ca-hashes.ts')).caKeyHashes(channel),
  )
  return loadAgent({
    file: undefined,
    env: {},
    flags: {
      trust_domain: server.trustDomain,
      server_address: `127.0.0.1:${server.bindAddress.port}`,
      data_dir: resolve(dataDir, 'agent'),
      socket,
      trust_ca_sha256: hashes.join(','),
      log_level: logLevel,
    },
  })
}

async function newToken(io: Io, adminSocket: string): Promise<Secret> {
  return withServer(io, { adminSocket, output: 'table' }, async (channel) => {
    const { createClient } = await import('../rpc/client.ts')
    const { value } = await createClient('spire.api.server.agent.v1.Agent', channel).unary(
      'CreateJoinToken',
      { ttl: 60 },
    )
    return new Secret(value)
  })
}

/** A folder for the sockets that is ours alone, whoever else may write beside it. */
function makeOwnFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const stat = lstatSync(folder)
  if (!stat.isDirectory() || stat.uid !== process.getuid?.()) {
    throw new CountersignError('forbidden', `${folder} is not ours`, {
      reason: 'socket-folder-foreign',
      fix: `have it removed, or set XDG_RUNTIME_DIR to a folder of your own`,
    })
  }
  chmodSync(folder, 0o700)
}

function freePort(): Promise<number> {
  return new Promise((done, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => done(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

function alreadyRunning(error: unknown, dataDir: string): unknown {
  if (!(error instanceof CountersignError) || !inUse.has(error.reason)) return error
  return new CountersignError('conflict', `"countersign dev" is already running for ${dataDir}`, {
    reason: 'dev-running',
    fix: 'use that one, or start this one in another folder',
    cause: error,
  })
}

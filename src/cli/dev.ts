import { dirname, join, resolve } from 'node:path'
import { Command } from 'commander'
import { CountersignError } from '../errors.ts'
import { systemClock } from '../runtime/clock.ts'
import { Latest } from '../runtime/latest.ts'
import { Secret } from '../runtime/secret.ts'
import { aborted, isAbortError, runTogether } from '../runtime/tasks.ts'
import { TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { endpointVariable } from '../workload-api/endpoint.ts'
import { devSockets, withServer } from './admin.ts'
import { alreadyRunning, makeOwnFolder, removeIfEmpty } from './dev-folder.ts'
import { describeFailure } from './failure.ts'
import type { Io } from './io.ts'
import { launchAgent, launchServer, loadAgent, loadServer } from './launch.ts'
import { formed } from './value-form.ts'

type ServerConfig = Awaited<ReturnType<typeof loadServer>>
type AgentConfig = Awaited<ReturnType<typeof loadAgent>>
type Address = ServerConfig['bindAddress']

interface Options {
  readonly trustDomain: string
  readonly verbose?: boolean
}

/** What one run of `dev` is about. */
interface Setting {
  readonly trustDomain: string
  readonly dataDir: string
  readonly sockets: { readonly admin: string; readonly agent: string }
  readonly logLevel: string
  readonly startedMs: number
}

const patienceMs = 10_000
const retryMs = 1000

/** `countersign dev` */
export function dev(io: Io): Command {
  return new Command('dev')
    .description('a server and an agent on this machine, with an entry for you')
    .option(
      '--trust-domain <name>',
      'name of the trust domain',
      formed(TrustDomain.parse),
      'example.org',
    )
    .option('--verbose', 'show the logs of both')
    .addHelpText(
      'after',
      `
Example:
  countersign dev

Data is kept in ./.countersign. Stop it with Ctrl-C; the next start goes on where this one ended.`,
    )
    .action(async (options: Options) => {
      const setting: Setting = {
        trustDomain: options.trustDomain,
        dataDir: resolve('.countersign'),
        sockets: devSockets(io.env),
        logLevel: options.verbose === true ? 'info' : 'error',
        startedMs: systemClock.monotonicMs(),
      }
      const folder = dirname(setting.sockets.admin)
      try {
        makeOwnFolder(folder)
        await runDev(io, setting)
      } catch (error) {
        // Ctrl-C is how it is meant to end, also before it has begun.
        if (!(io.signal.aborted && isAbortError(error))) throw error
      }
      removeIfEmpty(folder)
      io.note('stopped')
    })
}

async function runDev(io: Io, setting: Setting): Promise<void> {
  const server = await serverOf(setting)
  const stopping = new AbortController()
  const signal = AbortSignal.any([io.signal, stopping.signal])
  const ready = Promise.withResolvers<Address>()
  const running = launchServer(server, signal, { onReady: ({ address }) => ready.resolve(address) })
  // One that is stopped before it was ready ends without a word.
  running.then(() => ready.reject(signal.reason), ready.reject)
  try {
    const agent = await agentBeside(io, setting, await ready.promise)
    await runTogether(
      signal,
      () => running,
      async (until) => (await import('./process-memory.ts')).keepProcessSmall(until),
      async (until) => {
        // The server has been running since before this began: it ends when this does.
        until.addEventListener('abort', () => stopping.abort(until.reason), { once: true })
        await runAgentAndShow(io, setting, agent, until)
      },
    )
  } catch (error) {
    throw alreadyRunning(error, setting.dataDir)
  } finally {
    stopping.abort(new DOMException('stopped', 'AbortError'))
    await running.catch(() => {})
  }
}

async function runAgentAndShow(
  io: Io,
  setting: Setting,
  agent: AgentConfig,
  signal: AbortSignal,
): Promise<void> {
  const ready = Promise.withResolvers<void>()
  const joins = new Latest<void>()
  await runTogether(
    signal,
    (until) =>
      launchAgent(agent, until, {
        onReady: () => ready.resolve(),
        joinToken: async () => {
          const token = await newToken(io, setting.sockets.admin)
          joins.put()
          return token
        },
      }),
    async (until) => {
      const patience = systemClock.sleep(patienceMs, until).then(() => 'late' as const)
      if ((await Promise.race([ready.promise, patience])) === 'late') {
        io.note(
          `the agent is not ready yet; to see why: countersign agent health --socket unix://${agent.socket}`,
        )
        await Promise.race([ready.promise, aborted(until)])
      }
      until.throwIfAborted()
      await showInTheEnd(io, setting, agent, until)
      until.addEventListener('abort', () => joins.end(), { once: true })
      // An agent that joins anew, after a long sleep of the machine say, has another ID.
      for await (const _ of joins) await moveEntry(io, setting, agent, until)
    },
  )
}

/** Tries until the server serves: one that waits for its operator is told what to do while it runs. */
async function showInTheEnd(
  io: Io,
  setting: Setting,
  agent: AgentConfig,
  signal: AbortSignal,
): Promise<void> {
  let told: string | undefined
  for (;;) {
    try {
      return await show(io, setting, agent)
    } catch (error) {
      // What fails because all of this is being stopped is no failure.
      signal.throwIfAborted()
      if (!(error instanceof CountersignError && error.code === 'unavailable')) throw error
      if (error.reason !== told) for (const line of describeFailure(error).lines) io.note(line)
      told = error.reason
    }
    await systemClock.sleep(retryMs, signal)
  }
}

async function moveEntry(
  io: Io,
  { sockets }: Setting,
  agent: AgentConfig,
  signal: AbortSignal,
): Promise<void> {
  const { currentUser, registerUser } = await import('./dev-entry.ts')
  try {
    await withServer(io, operator(sockets.admin), (channel) =>
      registerUser(channel, agent.trustDomain, currentUser(), signal),
    )
  } catch (error) {
    signal.throwIfAborted()
    for (const line of describeFailure(error).lines) io.note(line)
  }
}

async function show(io: Io, { sockets, startedMs }: Setting, agent: AgentConfig): Promise<void> {
  const { currentUser, registerUser } = await import('./dev-entry.ts')
  const { showIdentity } = await import('./dev-show.ts')
  const user = currentUser()
  const entry = await withServer(io, operator(sockets.admin), (channel) =>
    registerUser(channel, agent.trustDomain, user, io.signal),
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

function serverOf({ trustDomain, dataDir, sockets, logLevel }: Setting): Promise<ServerConfig> {
  return loadServer({
    file: undefined,
    env: {},
    flags: {
      trust_domain: trustDomain,
      data_dir: join(dataDir, 'server'),
      bind_address: '127.0.0.1:0',
      admin_socket: sockets.admin,
      http_address: 'false',
      log_level: logLevel,
    },
  })
}

/** The agent believes the server by the CA keys that the admin socket names. */
async function agentBeside(io: Io, setting: Setting, server: Address): Promise<AgentConfig> {
  const hashes = await withServer(io, operator(setting.sockets.admin), async (channel) => {
    const { caKeyHashes } = await import('./ca-hashes.ts')
    return caKeyHashes(channel)
  })
  return loadAgent({
    file: undefined,
    env: {},
    flags: {
      trust_domain: setting.trustDomain,
      server_address: `127.0.0.1:${server.port}`,
      data_dir: join(setting.dataDir, 'agent'),
      socket: setting.sockets.agent,
      trust_ca_sha256: hashes.join(','),
      log_level: setting.logLevel,
    },
  })
}

function newToken(io: Io, adminSocket: string): Promise<Secret> {
  return withServer(io, operator(adminSocket), async (channel) => {
    const { createClient } = await import('../rpc/client.ts')
    const { value } = await createClient('spire.api.server.agent.v1.Agent', channel).unary(
      'CreateJoinToken',
      { ttl: 60 },
    )
    return new Secret(value)
  })
}

function operator(adminSocket: string): { readonly adminSocket: string; readonly output: 'table' } {
  return { adminSocket, output: 'table' }
}

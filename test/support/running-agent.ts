import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type AgentConfig, loadAgentConfig } from '../../agent/config.ts'
import { runAgent } from '../../agent/main.ts'
import { type Log, silentLog } from '../../src/runtime/log.ts'
import { Secret } from '../../src/runtime/secret.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { type RunningServer, trustDomain } from './running-server.ts'

export interface RunningAgent {
  readonly config: AgentConfig
  readonly socket: string
  stop(): Promise<void>
}

/** A real agent in this process, joined to the server with a token of its own. */
export async function startAgent(
  server: Pick<RunningServer, 'address' | 'folder' | 'admin'>,
  options: {
    readonly name?: string
    readonly overrides?: Partial<AgentConfig>
    readonly log?: Log
    readonly token?: () => Promise<Secret | undefined>
    readonly waitUntilReady?: boolean
  } = {},
): Promise<RunningAgent> {
  const folder = join(server.folder, options.name ?? 'agent')
  // Workloads of other users have to reach the socket; the data folders below are closed anyhow.
  chmodSync(server.folder, 0o755)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const config: AgentConfig = {
    ...loadAgentConfig({
      file: undefined,
      env: {},
      flags: {
        trust_domain: trustDomain,
        server_address: server.address,
        data_dir: join(folder, 'data'),
        socket: join(folder, 'public', 'api.sock'),
        insecure_bootstrap: 'true',
      },
    }),
    ...options.overrides,
  }
  const stopping = new AbortController()
  const ready = Promise.withResolvers<void>()
  const running = runAgent(config, stopping.signal, {
    log: options.log ?? silentLog,
    joinToken: options.token ?? (() => newToken(server)),
    onReady: ready.resolve,
  })
  running.catch(ready.reject)
  if (options.waitUntilReady !== false) await ready.promise
  return {
    config,
    socket: config.socket,
    async stop() {
      stopping.abort(new DOMException('stopped', 'AbortError'))
      await running
    },
  }
}

async function newToken(server: Pick<RunningServer, 'admin'>): Promise<Secret> {
  const client = server.admin('spire.api.server.agent.v1.Agent')
  return new Secret((await client.unary('CreateJoinToken', { ttl: 60 })).value)
}

/** The one agent that the server knows. */
export async function agentIdOf(server: Pick<RunningServer, 'admin'>): Promise<SpiffeId> {
  const { agents } = await server.admin('spire.api.server.agent.v1.Agent').unary('ListAgents', {})
  const id = agents.at(-1)?.id
  if (id === null || id === undefined) throw new Error('no agent')
  return SpiffeId.of(trustDomain, id.path)
}

/** Resolves once each agent that these entries are for holds them as they are now. */
export async function untilHeld(
  server: Pick<RunningServer, 'admin'>,
  entryIds: readonly string[],
): Promise<void> {
  const fleet = server.admin('countersign.fleet.v1.Fleet')
  const { position } = await fleet.unary('ListStatus', {})
  // One that is not connected is not waited for.
  await eventually(async () => {
    const { agents } = await server
      .admin('countersign.registry.v1.Registry')
      .unary('WaitApplied', { position, entry_ids: [...entryIds], timeout_ms: 10_000 })
    return agents.every(({ applied }) => applied)
  })
}

export interface SvidMessage {
  readonly svids?: readonly {
    readonly id: string
    readonly chain: string
    readonly key: string
    readonly bundle: string
  }[]
  readonly code?: number
  readonly details?: string
}

export interface Workload {
  readonly child: ChildProcess
  /** The next message of its stream, or its error. */
  next(): Promise<SvidMessage>
  kill(): void
}

/** A workload in a process of its own, under its own uid where we may choose one. */
export function startWorkload(socket: string, uid?: number): Workload {
  const script = fileURLToPath(new URL('workload.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, socket, 'x509'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[
    Symbol.asyncIterator
  ]()
  return {
    child,
    async next() {
      const line = await lines.next()
      if (line.done === true) throw new Error('the workload has ended')
      return JSON.parse(line.value) as SvidMessage
    },
    kill: () => void child.kill('SIGKILL'),
  }
}

/** A JWT-SVID fetched by a process of its own. */
export async function fetchJwt(
  socket: string,
  audience: string,
  uid?: number,
): Promise<{ readonly svids?: readonly (readonly [string, string])[]; readonly code?: number }> {
  const script = fileURLToPath(new URL('workload.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, socket, 'jwt', audience], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  let text = ''
  for await (const chunk of child.stdout) text += String(chunk)
  return JSON.parse(text) as { svids?: readonly (readonly [string, string])[]; code?: number }
}

import type { ChildProcess } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run, start } from '../support/command.ts'
import type { Probe } from './languages.ts'

export const trustDomain = 'interop.test'

/** A server and an agent, each a process of its own that reads its configuration from a file. */
export interface Stand {
  readonly trustDomain: string
  readonly folder: string
  /** The agent's socket. */
  readonly socket: string
  /** Where the server listens for agents. */
  readonly address: { readonly host: string; readonly port: number }
  /** Of the server and of the agent. */
  readonly pids: readonly number[]
  /** Runs the command as an operator of this server; what it printed as JSON. */
  operate<T>(...args: readonly string[]): Promise<T>
  /** Registers `spiffe://TRUST_DOMAIN/LANGUAGE` for each probe, known by its executable. */
  register(
    probes: readonly Pick<Probe, 'language' | 'executable'>[],
    federatesWith?: string,
  ): Promise<void>
  /** What server and agent logged. */
  log(): string
  close(): Promise<void>
}

export interface StandOptions {
  /** `interop.test` unless told. */
  readonly trustDomain?: string
  /** Further lines of server.yaml. */
  readonly server?: readonly string[]
}

export async function openStand(options: StandOptions = {}): Promise<Stand> {
  const name = options.trustDomain ?? trustDomain
  const folder = mkdtempSync(join(tmpdir(), 'cs-interop-'))
  chmodSync(folder, 0o755)
  const children: ChildProcess[] = []
  let log = ''
  const launch = (what: string, config: readonly string[]): void => {
    const file = join(folder, `${what}.yaml`)
    writeFileSync(file, `${config.join('\n')}\n`, { mode: 0o600 })
    const child = start([what, 'run', '--config', file], { cwd: folder })
    children.push(child)
    child.stderr?.on('data', (chunk) => {
      log += String(chunk)
    })
  }
  const adminSocket = join(folder, 'server', 'admin', 'api.sock')
  const socket = join(folder, 'socket', 'api.sock')
  const operate = async <T>(...args: readonly string[]): Promise<T> => {
    const done = await run([...args, '-o', 'json'], {
      env: { COUNTERSIGN_ADMIN_SOCKET: adminSocket },
    })
    if (done.code !== 0) throw new Error(`countersign ${args.join(' ')}: ${done.stderr}`)
    return JSON.parse(done.stdout) as T
  }
  let address = { host: '', port: 0 }
  const close = async (): Promise<void> => {
    await Promise.all(children.toReversed().map(ended))
    rmSync(folder, { recursive: true, force: true })
  }

  try {
    launch('server', [
      `trust_domain: ${name}`,
      `data_dir: ${join(folder, 'server')}`,
      'bind_address: 127.0.0.1:0',
      'http_address: false',
      ...(options.server ?? []),
    ])
    const { host, port } = await until(
      () => saidIn(log, 'server is ready'),
      () => log,
    )
    address = { host: String(host), port: Number(port) }
    const { token, trustCaSha256 } = await operate<{ token: string; trustCaSha256: string[] }>(
      'token',
      'create',
    )
    writeFileSync(join(folder, 'token'), token, { mode: 0o600 })
    launch('agent', [
      `trust_domain: ${name}`,
      `server_address: ${host}:${port}`,
      `data_dir: ${join(folder, 'agent')}`,
      `socket: ${socket}`,
      `trust_ca_sha256: [${trustCaSha256}]`,
      `join_token_file: ${join(folder, 'token')}`,
      'unix_attestor:',
      '  discover_path: true',
    ])
    await until(
      () => saidIn(log, 'agent is ready'),
      () => log,
    )
  } catch (error) {
    await close()
    throw error
  }
  return {
    trustDomain: name,
    folder,
    socket,
    address,
    pids: children.map(({ pid }) => pid ?? 0),
    operate,
    async register(probes, federatesWith) {
      const [agent] = await operate<{ id: string }[]>('agent', 'list')
      for (const { language, executable } of probes) {
        await operate(
          ...['entry', 'create', '--wait', '--parent-id', agent?.id ?? ''],
          ...['--spiffe-id', idOf(language, name), '--selector', `unix:path:${executable}`],
          ...(federatesWith === undefined ? [] : ['--federates-with', federatesWith]),
        )
      }
    },
    log: () => log,
    close,
  }
}

/** The ID of a language's probe. */
export function idOf(language: string, name: string = trustDomain): string {
  return `spiffe://${name}/${language}`
}

/** The log line with this message. */
export function saidIn(
  log: string,
  message: string,
): Readonly<Record<string, unknown>> | undefined {
  // The last line may be half of one.
  const lines = log.split('\n').slice(0, -1)
  const line = lines.find((one) => one.includes(`"message":"${message}"`))
  return line === undefined ? undefined : (JSON.parse(line) as Readonly<Record<string, unknown>>)
}

/** Ends a process, and resolves once it is no more. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  child.kill('SIGTERM')
  await closed
}

async function until<T>(look: () => T | undefined, log: () => string): Promise<T> {
  for (let waited = 0; waited < 120_000; waited += 50) {
    const seen = look()
    if (seen !== undefined) return seen
    await sleep(50)
  }
  throw new Error(`it did not come up:\n${log().slice(-4000)}`)
}

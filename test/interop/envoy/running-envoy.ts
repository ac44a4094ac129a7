import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../support/free-port.ts'
import { type EnvoyPart, envoyConfig } from './envoy-config.ts'

export interface RunningEnvoy {
  /** What it wrote to standard error so far. */
  log(): string
  /** The certificates that it uses now, in JSON; the empty string while it does not answer. */
  certificates(): Promise<string>
  /** Its counters and gauges whose names match. */
  stats(filter: string): Promise<Readonly<Record<string, number>>>
  stop(): Promise<void>
}

/** A real Envoy in a process of its own. */
export function startEnvoy(
  program: string,
  agentSocket: string,
  parts: readonly EnvoyPart[],
): RunningEnvoy {
  const folder = mkdtempSync(join(tmpdir(), 'cs-envoy-'))
  const adminSocket = join(folder, 'admin.sock')
  const file = join(folder, 'envoy.json')
  writeFileSync(file, JSON.stringify(envoyConfig({ agentSocket, adminSocket }, parts)))
  const options = ['--disable-hot-restart', '--concurrency', '1', '-l', 'warning']
  const child: ChildProcess = spawn(program, ['-c', file, ...options], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let text = ''
  child.stderr?.on('data', (chunk) => {
    text += String(chunk)
  })
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
  })
  const admin = async (path: string): Promise<string> => {
    const answer = await get({ socketPath: adminSocket, path }).catch(() => undefined)
    return answer?.body ?? ''
  }
  return {
    log: () => text,
    certificates: () => admin('/certs'),
    async stats(filter) {
      const lines = (await admin(`/stats?filter=${filter}`)).split('\n')
      const pairs = lines.map((line) => line.split(': ') as [string, string])
      return Object.fromEntries(pairs.map(([name, value]) => [name, Number(value)]))
    },
    async stop() {
      child.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** One GET on a connection of its own. Rejects where there is no answer. */
export function get(where: {
  readonly socketPath?: string
  readonly port?: number
  readonly path?: string
}): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', agent: false, ...where }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      response.on('error', reject)
    })
    call.on('error', reject)
    call.end()
  })
}

/** As many ports as `count` says. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = []
  while (ports.length < count) ports.push(await freePort())
  return ports
}

/** Waits until it holds; throws with what `why` says. */
export async function eventually(
  holds: () => Promise<boolean> | boolean,
  why: () => string,
  timeoutMs = 120_000,
): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`it did not come to be: ${why()}`)
    await sleep(20)
  }
}

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { callBytes } from '../support/http2-frames.ts'
import { temporaryFolder } from '../unit/agent/workload-endpoint/fixture.ts'

const script = fileURLToPath(new URL('callers.py', import.meta.url))
const endpointProcess = fileURLToPath(
  new URL('../unit/agent/workload-endpoint/endpoint-process.ts', import.meta.url),
)
const namespace = ['unshare', '--pid', '--fork', '--mount-proc']

/** Why the callers cannot be had here; undefined where they can. */
export function whyNoCallers(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can start processes of other users'
  if (spawnSync('python3', ['--version']).status !== 0) return 'there is no python3'
  const [command = '', ...args] = [...namespace, 'true']
  return spawnSync(command, args).status === 0 ? undefined : 'no namespace can be made'
}

/** A file with the bytes of a call of FetchX509SVID on a fresh connection. */
export function callFile(): string {
  const file = join(temporaryFolder(), 'call')
  writeFileSync(file, callBytes('/SpiffeWorkloadAPI/FetchX509SVID'), { mode: 0o644 })
  return file
}

/** Runs callers.py to its end, and gives what it says. `program` stands in for python3. */
export async function callers<T>(
  args: readonly (string | number)[],
  before: readonly string[] = ['python3'],
  env: Readonly<Record<string, string>> = {},
): Promise<T> {
  const [command = '', ...first] = before
  const child = spawn(command, [...first, script, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
    cwd: '/',
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += String(chunk)
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`callers.py ${args[0]} ended with ${code}`)
  return JSON.parse(said) as T
}

/** The same with numbers of its own for processes, and an endpoint of these entries among them. */
export function callersApart<T>(
  args: readonly (string | number)[],
  entries: readonly string[],
): Promise<T> {
  return callers<T>(
    [...args, process.execPath, endpointProcess, ...entries],
    [...namespace, 'python3'],
  )
}

/** An endpoint of these entries in a process of its own; it ends with the test. */
export async function endpointBeside(entries: readonly string[]): Promise<{
  readonly path: string
  readonly pid: number
  stats(): Promise<{
    /** Calls that wait for their turn. */
    readonly queued: number
    /** Callers whose program is looked at in this moment. */
    readonly asking: number
    /** Programs that were read to their end. */
    readonly reads: number
  }>
}> {
  const path = join(temporaryFolder(), 'api.sock')
  const child = spawn(process.execPath, [endpointProcess, path, ...entries], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  await once(lines, 'line')
  return {
    path,
    pid: child.pid ?? 0,
    async stats() {
      child.stdin.write('\n')
      const [line] = (await once(lines, 'line')) as [string]
      return JSON.parse(line)
    },
  }
}

/** An endpoint that sees other processes than those here; it ends with the test. */
export async function endpointApart(socket: string, entries: readonly string[]): Promise<void> {
  const [command = '', ...first] = namespace
  const args = ['serve', socket, callFile(), process.execPath, endpointProcess, ...entries]
  const child = spawn(command, [...first, 'python3', script, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await new Promise((resolve) => child.stdout.once('data', resolve))
}

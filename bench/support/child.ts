import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A program of its own process, so that no side of a measurement shares a loop with another. */
export interface Child<R> {
  readonly pid: number
  /** What it printed once it was ready. */
  readonly ready: R
  readonly process: ChildProcess
  /** One line to it, one line of JSON back. */
  ask(line: string): Promise<unknown>
  kill(signal?: NodeJS.Signals): Promise<void>
}

/** Starts `bench/<script>` with one JSON argument; resolves with its first line, which is JSON. */
export async function startChild<R>(
  script: string,
  argument: unknown = {},
  nodeOptions: readonly string[] = [],
): Promise<Child<R>> {
  const path = fileURLToPath(new URL(`../${script}`, import.meta.url))
  const child = spawn(process.execPath, [...nodeOptions, path, JSON.stringify(argument)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<unknown> => {
    const line = await lines.next()
    if (line.done === true) throw new Error(`${script} has ended`)
    return JSON.parse(line.value)
  }
  // Nothing that this bench started outlives it.
  const killer = (): void => void child.kill('SIGKILL')
  process.once('exit', killer)
  const ready = (await next()) as R
  return {
    pid: child.pid ?? 0,
    ready,
    process: child,
    ask(line) {
      child.stdin.write(`${line}\n`)
      return next()
    },
    async kill(signal = 'SIGTERM') {
      child.kill(signal)
      await ended
      process.off('exit', killer)
    },
  }
}

/** In a child: its argument. */
export function argument<A>(): A {
  return JSON.parse(process.argv[2] ?? '{}') as A
}

/** In a child: ready, or the answer to a line. */
export function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/** In a child: a folder that goes when the child is told to. */
export function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bench-bare-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  process.once('SIGTERM', () => process.exit())
  return folder
}

/** In a child: each line that it is asked. */
export function onLine(listener: (line: string) => void): void {
  createInterface({ input: process.stdin }).on('line', listener)
}

const ticksPerSecond = 100

/** CPU time that a process has used, all threads, in seconds (resolution 10 ms). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** In MB, as the targets are: 10^6 bytes. */
export interface Memory {
  readonly rssMb: number
  /** Of the process alone: heap, stacks. */
  readonly anonMb: number
  /** Pages of files, most of them of Node's own: shared by all its processes, and the system's to take back. */
  readonly fileMb: number
  /** The most that it held at once. */
  readonly peakMb: number
}

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  // What is called kB there has 1,024 bytes.
  const mb = (name: string): number =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 0.01024) / 10
  return {
    rssMb: mb('VmRSS'),
    anonMb: mb('RssAnon'),
    fileMb: mb('RssFile'),
    peakMb: mb('VmHWM'),
  }
}

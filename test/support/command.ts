import { type ChildProcess, spawn } from 'node:child_process'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { createIo } from '../../src/cli/io.ts'
import { runVerb } from '../../src/cli/main.ts'

const bin = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** The program to run in place of the one in this tree. */
  readonly program?: string
}

/** The real command in a process of its own, with nothing of our environment but what is given. */
export function start(args: readonly string[], options: CommandOptions = {}): ChildProcess {
  return spawn(process.execPath, [options.program ?? bin, ...args], {
    cwd: options.cwd ?? '/',
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

/** Runs it to its end. */
export async function run(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  const child = start(args, options)
  child.stdin?.end(options.input ?? '')
  const [stdout, stderr, code] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ])
  return { code, stdout, stderr }
}

/** The same in this process, which saves its start; there is no standard input, and no environment but what is given. */
export async function runHere(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<Ended> {
  const [stdout, stderr] = [new Kept(), new Kept()]
  const code = await runVerb(args, createIo({ stdout, stderr, env, signal, every: () => () => {} }))
  return { code, stdout: stdout.text, stderr: stderr.text }
}

class Kept extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = ''
  for await (const chunk of stream ?? []) text += String(chunk)
  return text
}

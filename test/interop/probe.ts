import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Probe } from './languages.ts'

/*
 * The contract that each language's probe keeps. It finds the agent by SPIFFE_ENDPOINT_SOCKET, prints
 * one JSON object a line, and ends with 0, or with 1 after a line `{"error"}`.
 *
 *   fetch AUDIENCE      {id, serial, roots, keys, jwtId, token, sourced: {id, jwtId}}, `roots` and
 *                       `keys` counted by trust domain; `sourced` comes from the library's source
 *                       objects, which verify what they gave
 *   validate AUDIENCE   for each token, a line of standard input: {byAgent | agentRefused,
 *                       byLibrary | libraryRefused}
 *   watch COUNT         {id, serial, roots} for each of COUNT updates of the X.509 context
 *   serve [TRUST_DOMAIN] {listening}, then mutual TLS for any ID of that trust domain, its own unless told:
 *                       reads a line, answers with the ID that it takes the peer for, hangs up. {refused}
 *                       for each connection that came to nothing. Ends with standard input
 *   dial                {ready}, then for each line `ADDRESS ID` of standard input one new connection
 *                       to a server that has to be that ID: {peer, seenAs} or {error}
 */

export interface Fetched {
  readonly id: string
  readonly serial: string
  readonly roots: Readonly<Record<string, number>>
  readonly keys: Readonly<Record<string, number>>
  readonly jwtId: string
  readonly token: string
  readonly sourced: { readonly id: string; readonly jwtId: string }
}

export interface Validated {
  readonly byAgent?: string
  readonly agentRefused?: string
  readonly byLibrary?: string
  readonly libraryRefused?: string
}

export interface Watched {
  readonly id: string
  readonly serial: string
  readonly roots: number
}

export interface Dialled {
  readonly peer?: string
  readonly seenAs?: string
  readonly error?: string
}

/** A probe that runs. */
export interface RunningProbe {
  readonly child: ChildProcess
  send(line: string): void
  /** The next line that it prints. Throws where it ended. */
  next<T>(): Promise<T>
  /** Ends its standard input and waits for it to end. Throws where it failed. */
  end(): Promise<void>
}

/** A program that finds the agent by this socket, and the end of what it said on standard error. */
export function spawnWorkload(
  [command = '', ...args]: readonly string[],
  socket: string,
): { readonly child: ChildProcessWithoutNullStreams; readonly complaints: () => string } {
  const child = spawn(command, args, {
    cwd: '/',
    env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let complaints = ''
  child.stderr.on('data', (chunk) => {
    complaints = (complaints + String(chunk)).slice(-4000)
  })
  child.stdin.on('error', () => {})
  return { child, complaints: () => complaints }
}

export function startProbe(
  probe: Probe,
  socket: string,
  verb: string,
  ...args: readonly string[]
): RunningProbe {
  const { child, complaints } = spawnWorkload([...probe.command, verb, ...args], socket)
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const failure = (what: string) =>
    new Error(`${probe.language} ${verb} ${what}${complaints() === '' ? '' : `:\n${complaints()}`}`)
  return {
    child,
    send: (line) => void child.stdin.write(`${line}\n`),
    async next<T>() {
      const line = await lines.next()
      if (line.done === true) throw failure(`ended with ${await ended}`)
      return JSON.parse(line.value) as T
    },
    async end() {
      child.stdin.end()
      const code = await ended
      if (code !== 0) throw failure(`ended with ${code}`)
    },
  }
}

/** Runs a probe to its end: every line that it printed. Throws where it failed. */
export async function runProbe<T>(
  probe: Probe,
  socket: string,
  verb: string,
  args: readonly string[],
  input: readonly string[] = [],
): Promise<readonly T[]> {
  const running = startProbe(probe, socket, verb, ...args)
  for (const line of input) running.send(line)
  running.child.stdin?.end()
  const said: T[] = []
  const code = new Promise<number | null>((resolve) => running.child.on('close', resolve))
  for (;;) {
    try {
      said.push(await running.next<T>())
    } catch (error) {
      if ((await code) !== 0) throw new Error(`${JSON.stringify(said.at(-1))}`, { cause: error })
      return said
    }
  }
}

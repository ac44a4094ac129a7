// What the demo is played on: a folder, processes in it, and commands that are shown as they are run.
import { type ChildProcess, execFile, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const command = fileURLToPath(new URL('../../bin/countersign.mjs', import.meta.url))

/** What a process of the demo printed, a line of JSON. */
export type Line = Readonly<Record<string, unknown>>

export interface Actor {
  tell(line: string): void
  /** The next line about this event; others are passed over. Throws where the process has ended. */
  hear(event: string): Promise<Line>
}

export class Stage {
  readonly folder: string = mkdtempSync(join(realpathSync(tmpdir()), 'countersign-m2m-'))
  readonly env: NodeJS.ProcessEnv
  readonly #children: ChildProcess[] = []

  constructor() {
    this.env = {
      PATH: process.env['PATH'],
      HOME: this.folder,
      NODE_OPTIONS: process.env['NODE_OPTIONS'],
      COUNTERSIGN_ADMIN_SOCKET: this.path('server', 'admin', 'api.sock'),
      SPIFFE_ENDPOINT_SOCKET: `unix://${this.path('socket', 'api.sock')}`,
      NODE_EXTRA_CA_CERTS: this.path('web.pem'),
    }
    mkdirSync(this.path('bin'))
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts)
  }

  say(text: string): void {
    console.log(text)
  }

  /** Runs `countersign` to its end and gives what it printed. Throws, with its own words, where it fails. */
  async countersign(...args: readonly string[]): Promise<string> {
    this.say(`$ countersign ${args.map(quoted).join(' ')}`)
    const options = { cwd: this.folder, env: this.env }
    return (await promisify(execFile)(process.execPath, [command, ...args], options)).stdout
  }

  /** Starts `countersign` as a workload of this name, and waits until it logs this message. */
  async daemon(name: string, readyMessage: string, ...args: readonly string[]): Promise<void> {
    this.say(`$ countersign ${args.map(quoted).join(' ')} &`)
    const child = this.#spawn(name, [command, ...args], ['ignore', 'ignore', 'pipe'])
    const lines: string[] = []
    for await (const line of createInterface({ input: child.stderr as NodeJS.ReadableStream })) {
      lines.push(line)
      if (!line.includes(`"message":"${readyMessage}"`)) continue
      child.stderr?.resume()
      return
    }
    throw new Error(`${name} has ended:\n${lines.slice(-10).join('\n')}`)
  }

  /** Starts a program of this folder under a Node that is its own file: by that the agent knows the workload. */
  actor(name: string, script: string, ...args: readonly string[]): Actor {
    const path = fileURLToPath(new URL(script, import.meta.url))
    const child = this.#spawn(name, [path, ...args], ['pipe', 'pipe', 'inherit'])
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[
      Symbol.asyncIterator
    ]()
    return {
      tell: (line) => void child.stdin?.write(`${line}\n`),
      async hear(event) {
        for (;;) {
          const { value, done } = await lines.next()
          if (done === true) throw new Error(`${name} has ended`)
          const line = JSON.parse(value) as Line
          if (line['event'] === event) return line
        }
      },
    }
  }

  /** This Node under another name. */
  executable(name: string): string {
    const path = this.path('bin', name)
    try {
      linkSync(realpathSync(process.execPath), path)
    } catch (error) {
      // Another file system, or not ours to link; the second time it is there.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        copyFileSync(process.execPath, path, constants.COPYFILE_FICLONE)
      }
    }
    return path
  }

  /** Ends all that was started, and removes the folder. */
  async clear(): Promise<void> {
    const living = this.#children.filter((one) => one.exitCode === null && one.signalCode === null)
    const ended = living.map((child) => once(child, 'exit'))
    for (const child of living.toReversed()) child.kill('SIGTERM')
    await Promise.all(ended)
    rmSync(this.folder, { recursive: true, force: true })
  }

  #spawn(name: string, args: readonly string[], stdio: StdioOptions): ChildProcess {
    const options = { cwd: this.folder, env: this.env, stdio }
    const child = spawn(this.executable(name), args, options)
    this.#children.push(child)
    return child
  }
}

function quoted(text: string): string {
  return /^[\w./:@=,-]+$/.test(text) ? text : `'${text}'`
}

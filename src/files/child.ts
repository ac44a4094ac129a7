import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Clock } from '../runtime/clock.ts'

/** What a program is told of new files. */
export type OnRenew = 'none' | 'restart' | NodeJS.Signals

/** How long a program has that is to end, before it is killed. */
const stopLimitMs = 10_000
const ending: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGQUIT']

/** A program that runs with our input and output until it ends, be it started anew in between. */
export class Child {
  /** Its exit code when it has ended by itself: 128 and the signal's number, 126 or 127 where it could not be started, as shells have it. */
  readonly ended: Promise<number>
  readonly #command: readonly [string, ...string[]]
  readonly #env: NodeJS.ProcessEnv
  readonly #clock: Clock
  readonly #end: (code: number) => void
  #process: ChildProcess
  #exited: Promise<number>
  #restarting = false
  #stopping = false

  constructor(command: readonly [string, ...string[]], env: NodeJS.ProcessEnv, clock: Clock) {
    const ended = Promise.withResolvers<number>()
    this.ended = ended.promise
    this.#end = ended.resolve
    this.#command = command
    this.#env = env
    this.#clock = clock
    const { process, exited } = this.#start()
    this.#process = process
    this.#exited = exited
  }

  /** Hands on a signal that we got. After one that ends programs it is not started anew. */
  pass(signal: NodeJS.Signals): void {
    if (ending.includes(signal)) this.#stopping = true
    this.#process.kill(signal)
  }

  /** Tells it of new files. */
  async renew(how: OnRenew): Promise<void> {
    if (how === 'restart') await this.#restart()
    else if (how !== 'none') this.#process.kill(how)
  }

  async #restart(): Promise<void> {
    if (this.#stopping) return
    this.#restarting = true
    const done = new AbortController()
    const [process, exited] = [this.#process, this.#exited]
    this.#clock.sleep(stopLimitMs, done.signal).then(
      () => process.kill('SIGKILL'),
      () => {},
    )
    process.kill('SIGTERM')
    const code = await exited
    done.abort()
    this.#restarting = false
    if (this.#stopping) {
      this.#end(code)
      return
    }
    const next = this.#start()
    this.#process = next.process
    this.#exited = next.exited
  }

  #start(): { readonly process: ChildProcess; readonly exited: Promise<number> } {
    const [program, ...args] = this.#command
    const process = spawn(program, args, { stdio: 'inherit', env: this.#env })
    const exited = new Promise<number>((resolve) => {
      process.once('error', (error: NodeJS.ErrnoException) => {
        if (process.pid === undefined) resolve(error.code === 'ENOENT' ? 127 : 126)
      })
      process.once('exit', (code, signal) => {
        resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal])
      })
    })
    void exited.then((code) => {
      if (!this.#restarting) this.#end(code)
    })
    return { process, exited }
  }
}

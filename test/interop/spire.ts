import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { saidIn } from './stand.ts'

/*
 * SPIRE's part is played by Go programs on SPIRE's own client stubs: `go/cmd/spire-…`. They print one
 * JSON object a line.
 */

/** A line that such a program printed. */
export interface SpireEvent {
  readonly event: string
  readonly [about: string]: unknown
}

export interface SpireProgram {
  readonly child: ChildProcess
  /** All that it has said so far. */
  readonly said: readonly SpireEvent[]
  /** The next event of this kind that the last wait has not passed yet. Throws where it does not come. */
  next(event: string, fits?: (event: SpireEvent) => boolean): Promise<SpireEvent>
  /** Its exit code. */
  readonly ended: Promise<number | null>
  stop(): Promise<number | null>
}

export function startSpire(executable: string, args: readonly string[]): SpireProgram {
  const child = spawn(executable, args, { cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] })
  const said: SpireEvent[] = []
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  let wake = Promise.withResolvers<void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    said.push(JSON.parse(line) as SpireEvent)
    wake.resolve()
    wake = Promise.withResolvers()
  })
  let over = false
  void ended.then(() => {
    over = true
    wake.resolve()
  })
  let seen = 0
  return {
    child,
    said,
    ended,
    async next(event, fits = () => true) {
      for (;;) {
        for (; seen < said.length; seen += 1) {
          const one = said[seen] as SpireEvent
          if (one.event !== event || !fits(one)) continue
          seen += 1
          return one
        }
        if (over || !(await within(wake.promise))) {
          const last = JSON.stringify(said.slice(-3)).slice(-2000)
          throw new Error(`"${event}" does not come${over ? ', it has ended' : ''}: ${last}`)
        }
      }
    },
    stop() {
      child.kill('SIGTERM')
      return ended
    },
  }
}

/** False where nothing was said for so long. */
async function within(promise: Promise<void>): Promise<boolean> {
  const over = new AbortController()
  const silence = setTimeout(120_000, false, { signal: over.signal }).catch(() => true)
  try {
    return await Promise.race([promise.then(() => true), silence])
  } finally {
    over.abort()
  }
}

/** The line with this message, once the process has logged it. Throws, with its log, where it ends first. */
export function untilLogged(
  child: ChildProcess,
  message: string,
): Promise<Readonly<Record<string, unknown>>> {
  let log = ''
  return new Promise((resolve, reject) => {
    const look = (chunk: unknown): void => {
      log += String(chunk)
      const said = saidIn(log, message)
      if (said === undefined) return
      child.stderr?.off('data', look)
      // Read on, since a full pipe would hold it up.
      child.stderr?.resume()
      resolve(said)
    }
    child.stderr?.on('data', look)
    child.once('close', () => reject(new Error(`it has ended without "${message}":\n${log}`)))
  })
}

import type { Writable } from 'node:stream'

/** What a verb talks through: data on standard output, everything else on standard error. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** From here on the verb minds the signals of this process itself: `signal` knows of none. */
  leaveSignals(): void
  /** Data, as it is. */
  write(text: string): void
  /** Resolves when what was written is on its way: whoever writes much waits for it, and keeps little in memory. */
  drained(): Promise<void>
  /** A line for the person at the terminal; never data. */
  note(text: string): void
  /** True where standard output is a terminal, so that secrets must not go there unasked. */
  readonly toTerminal: boolean
  /** Shows, on a terminal only, that something takes longer than half a second. */
  progress<T>(what: string, work: Promise<T>): Promise<T>
}

export function createIo(options: {
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** Calls back after half a second and then each time it is due; returns how to stop it. */
  readonly every: (ms: number, tick: () => void) => () => void
  readonly leaveSignals?: () => void
}): Io {
  const { stdout, stderr, env, signal } = options
  const animated = stderr.isTTY === true && env['TERM'] !== 'dumb' && env['CI'] === undefined
  return {
    env,
    signal,
    leaveSignals: options.leaveSignals ?? (() => {}),
    toTerminal: stdout.isTTY === true,
    write: (text) => void stdout.write(text),
    drained: () => drained(stdout),
    note: (text) => void stderr.write(`${text}\n`),
    async progress(what, work) {
      if (!animated) return work
      let seconds = 0
      let shown = false
      const stop = options.every(500, () => {
        seconds += 0.5
        shown = true
        stderr.write(`\r${what} … ${Math.floor(seconds)} s`)
      })
      try {
        return await work
      } finally {
        stop()
        if (shown) stderr.write(`\r${' '.repeat(what.length + 12)}\r`)
      }
    },
  }
}

async function drained(stream: Writable): Promise<void> {
  if (!stream.writableNeedDrain || stream.destroyed) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'close', 'error']) stream.off(event, done)
      resolve()
    }
    for (const event of ['drain', 'close', 'error']) stream.on(event, done)
  })
}

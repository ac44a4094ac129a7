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
  const line = createProgressLine((text) => void stderr.write(text), options.every)
  return {
    env,
    signal,
    leaveSignals: options.leaveSignals ?? (() => {}),
    toTerminal: stdout.isTTY === true,
    write(text) {
      line.clear()
      stdout.write(text)
    },
    drained: () => drained(stdout),
    note(text) {
      line.clear()
      stderr.write(`${text}\n`)
    },
    progress: (what, work) => (animated ? line.during(what, work) : work),
  }
}

/** One line that says what is waited for. Of waits within waits the innermost is shown. */
function createProgressLine(
  write: (text: string) => void,
  every: (ms: number, tick: () => void) => () => void,
): { during<T>(what: string, work: Promise<T>): Promise<T>; clear(): void } {
  const waits: { readonly what: string; seconds: number }[] = []
  let shown = 0
  const clear = (): void => {
    if (shown > 0) write(`\r${' '.repeat(shown)}\r`)
    shown = 0
  }
  return {
    clear,
    async during(what, work) {
      const wait = { what, seconds: 0 }
      waits.push(wait)
      const stop = every(500, () => {
        wait.seconds += 0.5
        if (waits.at(-1) !== wait) return
        const text = `${what} … ${Math.floor(wait.seconds)} s`
        write(`\r${text}`)
        shown = text.length
      })
      try {
        return await work
      } finally {
        stop()
        waits.splice(waits.indexOf(wait), 1)
        clear()
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

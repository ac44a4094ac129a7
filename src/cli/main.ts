import { CommanderError } from 'commander'
import { every } from '../runtime/clock.ts'
import { untilStopped } from '../runtime/signals.ts'
import { version } from '../runtime/version.ts'
import { describeFailure, exitCodes } from './failure.ts'
import { createIo, type Io } from './io.ts'
import { createProgram } from './program.ts'

/** Runs the command that the arguments name, and sets the exit code; the process ends by itself. */
export async function main(argv: readonly string[]): Promise<void> {
  const output = untilUnread()
  const stop = untilStopped(() => process.exit(exitCodes.interrupted))
  const io = createIo({
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    signal: AbortSignal.any([stop.signal, output]),
    every,
    leaveSignals: stop.release,
  })
  try {
    const code = await runVerb(argv.slice(2), io)
    if (code !== exitCodes.ok && !output.aborted) process.exitCode = code
  } finally {
    stop.release()
  }
}

/** Runs the verb that the arguments name, says what went wrong, and resolves with the exit code. */
export async function runVerb(args: readonly string[], io: Io): Promise<number> {
  try {
    await createProgram(io, version).parseAsync([...args], { from: 'user' })
    return exitCodes.ok
  } catch (error) {
    return conclude(error, (line) => io.note(line))
  }
}

/** Aborts where output cannot be written any more. That its reader has left is no error. */
function untilUnread(): AbortSignal {
  const controller = new AbortController()
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && !controller.signal.aborted) {
      process.exitCode = exitCodes.failed
      process.stderr.write(`error[output-unwritable]: ${error.message}\n`)
    }
    controller.abort(new DOMException('nobody reads on', 'AbortError'))
  })
  // Messages that nobody reads are no reason to end what else we do.
  process.stderr.on('error', () => {})
  return controller.signal
}

function conclude(error: unknown, note: (line: string) => void): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  }
  const { exitCode, lines } = describeFailure(error)
  for (const line of lines) note(line)
  return exitCode
}

import { CommanderError } from 'commander'
import { every } from '../runtime/clock.ts'
import { untilStopped } from '../runtime/signals.ts'
import { version } from '../runtime/version.ts'
import { describeFailure, exitCodes } from './failure.ts'
import { createIo } from './io.ts'
import { createProgram } from './program.ts'

/** Runs the command that the arguments name, and sets the exit code; the process ends by itself. */
export async function main(argv: readonly string[]): Promise<void> {
  // Whoever reads our output may stop reading: that is no error of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.failed)
  })
  const stop = untilStopped(() => process.exit(exitCodes.interrupted))
  const io = createIo({
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    signal: stop.signal,
    every,
  })
  try {
    await createProgram(io, version).parseAsync([...argv])
  } catch (error) {
    process.exitCode = conclude(error, (line) => io.note(line))
  } finally {
    stop.release()
  }
}

function conclude(error: unknown, note: (line: string) => void): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  }
  const { exitCode, lines } = describeFailure(error)
  for (const line of lines) note(line)
  return exitCode
}

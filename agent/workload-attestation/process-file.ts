import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import type { FileIdentity } from './attestor.ts'
import { type ProcessState, rightsOf, startTimeOf } from './process-state.ts'

/**
 * A process by its open file in /proc. The kernel ties that to the very process: once it has been
 * reaped a read fails, whoever has its number then, so that it holds the process as a pidfd does.
 */
export interface ProcessFile {
  /** What it is now; undefined where it is gone or a zombie. */
  look(): ProcessState | undefined
  close(): void
}

const maxBytes = 1 << 20
const executableFlags = { bigint: true } as const

// Reads are synchronous: one buffer serves all. Only a process with hundreds of groups needs more.
let buffer = Buffer.allocUnsafeSlow(4096)

/** Undefined where there is no such process. It is for the caller to make sure whose number it is. */
export function openProcess(pid: number): ProcessFile | undefined {
  const status = openForReading(`/proc/${pid}/status`)
  if (status === undefined) return undefined
  // Whoever lives now has had the number since before `status` was opened.
  const startTime = unlessGone(() => startTimeOf(readFileSync(`/proc/${pid}/stat`, 'latin1')))
  if (startTime === undefined) {
    closeSync(status)
    return undefined
  }
  const executable = `/proc/${pid}/exe`
  return {
    look: () =>
      unlessGone(() => {
        const file = identityOf(executable)
        // The executable is named by number. Whoever lives after that had the number all the while.
        const rights = rightsOf(textOf(status))
        return rights === undefined ? undefined : { startTime, executable: file, ...rights }
      }),
    close: () => closeSync(status),
  }
}

/** A read of a process that is gone fails. */
function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

function openForReading(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch {
    return undefined
  }
}

/**
 * The file from its start, as it is now. These files are made by the kernel as they are read: no disk
 * is waited for, and a read takes a few microseconds.
 */
function textOf(fd: number): string {
  for (;;) {
    const bytes = readSync(fd, buffer, 0, buffer.length, 0)
    if (bytes < buffer.length) return buffer.toString('latin1', 0, bytes)
    if (buffer.length >= maxBytes) throw new RangeError('a file in /proc is too large')
    buffer = Buffer.allocUnsafeSlow(buffer.length * 2)
  }
}

function identityOf(path: string): FileIdentity | undefined {
  try {
    const { dev, ino } = statSync(path, executableFlags)
    return { device: dev, inode: ino }
  } catch {
    return undefined
  }
}

import { closeSync, openSync, readSync, statSync } from 'node:fs'
import type { FileIdentity } from './attestor.ts'
import { type ProcessIdentity, type ProcessState, rightsOf, startTimeOf } from './process-state.ts'

/**
 * A process by its open files in /proc. The kernel ties them to that very process: once it has been
 * reaped a read fails, whoever has its number then, so that they hold it as a pidfd does.
 */
export interface ProcessFiles {
  /** Undefined where the process is gone or a zombie; what is told is of one moment's process. */
  identify(): ProcessIdentity | undefined
  /** The same, and its rights. */
  look(): ProcessState | undefined
  close(): void
}

/** How many descriptors one process takes. */
export const descriptorsPerProcess = 2

const maxBytes = 1 << 20
const executableFlags = { bigint: true } as const

// Reads are synchronous: one buffer serves all. Only a process with hundreds of groups needs more.
let buffer = Buffer.allocUnsafeSlow(4096)

/** Undefined where there is no such process. It is for the caller to make sure whose number it is. */
export function openProcessFiles(pid: number): ProcessFiles | undefined {
  const stat = openForReading(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  const status = openForReading(`/proc/${pid}/status`)
  if (status === undefined) {
    closeSync(stat)
    return undefined
  }
  const executable = `/proc/${pid}/exe`
  const identify = (): ProcessIdentity | undefined => {
    const file = identityOf(executable)
    // The executable is named by number. Whoever lives after that had the number all the while.
    const startTime = startTimeOf(textOf(stat))
    return startTime === undefined ? undefined : { startTime, executable: file }
  }
  return {
    identify: () => unlessGone(identify),
    look: () =>
      unlessGone(() => {
        const rights = rightsOf(textOf(status))
        const identity = identify()
        if (rights === undefined || identity === undefined) return undefined
        return { ...identity, ...rights }
      }),
    close() {
      closeSync(stat)
      closeSync(status)
    },
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

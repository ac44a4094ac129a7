import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { CountersignError } from '../errors.ts'
import type { Clock } from '../runtime/clock.ts'

/** Tells a program that its files are new. Throws `unavailable` / `on-renew-failed`. */
export type Renewal = (signal: AbortSignal) => Promise<void>

const commandLimitMs = 60_000

/** A command of the operator's, run by the shell; it has a minute. What it prints goes to our standard error. */
export function renewByCommand(command: string, dir: string, clock: Clock): Renewal {
  return async (signal) => {
    const ended = new AbortController()
    const child = spawn('/bin/sh', ['-c', command], {
      stdio: ['ignore', 2, 2],
      env: { ...process.env, COUNTERSIGN_DIR: dir },
      // A group of its own, so that what the shell has started ends with it.
      detached: true,
    })
    const kill = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended.
      }
    }
    clock.sleep(commandLimitMs, AbortSignal.any([ended.signal, signal])).then(kill, () => {
      if (signal.aborted) kill()
    })
    const outcome = await new Promise<string | undefined>((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'cannot start'))
      child.once('exit', (code, by) => {
        resolve(code === 0 ? undefined : by === null ? `exit code ${code}` : `ended by ${by}`)
      })
    })
    ended.abort()
    signal.throwIfAborted()
    if (outcome !== undefined) throw failed(`the command: ${outcome}`)
  }
}

/** A signal to the process whose number stands in a file, read anew each time. */
export function renewBySignal(name: NodeJS.Signals, pidFile: string): Renewal {
  return async () => {
    const pid = await readPid(pidFile)
    try {
      process.kill(pid, name)
    } catch (error) {
      throw failed(`${name} to process ${pid}: ${(error as NodeJS.ErrnoException).code}`)
    }
  }
}

async function readPid(path: string): Promise<number> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0)
      const [, digits] =
        /^\s*([1-9][0-9]{0,9})\s/.exec(`${buffer.toString('latin1', 0, bytesRead)}\n`) ?? []
      const pid = Number(digits ?? 0)
      if (pid < 2) throw failed(`${path} holds no process number`)
      const { uid: writer } = await file.stat()
      // Whoever writes the file would otherwise have us signal processes that it may not signal itself.
      if (
        writer !== 0 &&
        writer !== process.geteuid?.() &&
        (await stat(`/proc/${pid}`)).uid !== writer
      ) {
        throw failed(`process ${pid} is not that of the owner of ${path}`)
      }
      return pid
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof CountersignError) throw error
    throw failed(`${path}: ${(error as NodeJS.ErrnoException).code}`)
  }
}

function failed(what: string): CountersignError {
  return new CountersignError(
    'unavailable',
    `the program could not be told of new files: ${what}`,
    {
      reason: 'on-renew-failed',
      fix: 'run the same by hand, as the same user; it is tried again',
    },
  )
}

import { accessSync, constants } from 'node:fs'
import { CountersignError } from '../errors.ts'
import type { Io } from './io.ts'

/**
 * Says before anything is dialled why a socket cannot be used. Throws `unavailable` /
 * `<who>-socket-missing`, or `forbidden` / `socket-forbidden`.
 */
export function requireSocket(path: string, who: 'server' | 'agent', fix: string): void {
  try {
    // To connect is to write: the kernel asks for that right alone.
    accessSync(path, constants.W_OK)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EACCES') {
      throw new CountersignError('forbidden', `access to ${path} is denied`, {
        reason: 'socket-forbidden',
        fix: `use it as the user who runs the ${who}, or as root`,
        cause,
      })
    }
    throw new CountersignError('unavailable', `no ${who} listens at ${path}`, {
      reason: `${who}-socket-missing`,
      fix,
      cause,
    })
  }
}

/** Does `work` with what is open, closes it afterwards, and at once when the user stops us. */
export async function whileOpen<T extends { close(): void }, R>(
  io: Pick<Io, 'signal'>,
  open: T,
  work: (open: T) => Promise<R>,
): Promise<R> {
  const { signal } = io
  const stopped = Promise.withResolvers<never>()
  const stop = (): void => stopped.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  try {
    signal.throwIfAborted()
    return await Promise.race([work(open), stopped.promise])
  } finally {
    signal.removeEventListener('abort', stop)
    open.close()
  }
}

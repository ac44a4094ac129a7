import { accessSync, constants } from 'node:fs'
import { resolve } from 'node:path'
import { CountersignError } from '../errors.ts'
import { untilAborted } from '../runtime/until-aborted.ts'
import type { Io } from './io.ts'
import { usage } from './usage.ts'

/** Who is to listen, where, and what to do where nobody does. */
export interface Listener {
  readonly who: 'server' | 'agent'
  /** A path, or `host:port`. */
  readonly at: string
  readonly fix: string
}

/** A path as it was written in a shell, or the address of the socket, as SPIFFE_ENDPOINT_SOCKET holds one. */
export function socketPath(text: string): string {
  const path = text.replace(/^unix:(?:\/\/)?/, '')
  return path === '' ? '' : resolve(path)
}

/**
 * Says before anything is dialled why a socket cannot be used. Throws `unavailable` / `<who>-socket-missing`,
 * `forbidden` / `socket-forbidden`, or `invalid` / `usage`.
 */
export function requireSocket(listener: Listener): void {
  const { at, who, fix } = listener
  if (at === '') {
    throw usage(`the path of the ${who}'s socket is empty`, fix)
  }
  try {
    // To connect is to write: the kernel asks for that right alone.
    accessSync(at, constants.W_OK)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EACCES') {
      throw new CountersignError('forbidden', `access to ${at} is denied`, {
        reason: 'socket-forbidden',
        fix: `use it as the user who runs the ${who}, or as root`,
        cause,
      })
    }
    throw nobodyListens(listener, cause)
  }
}

/**
 * Does `work` with what is open, closes it afterwards, and at once when the user stops us. Throws what the
 * work throws, `unavailable` / `<who>-socket-missing` where nobody listens, and `unimplemented` / `rpc-unimplemented`
 * with what to do where somebody else does.
 */
export async function whileOpen<T extends { close(): void }, R>(
  io: Pick<Io, 'signal'>,
  listener: Listener,
  open: T,
  work: (open: T) => Promise<R>,
): Promise<R> {
  try {
    io.signal.throwIfAborted()
    return await untilAborted(work(open), io.signal)
  } catch (error) {
    // The file of a socket outlives a process that was killed.
    if (!(error instanceof CountersignError)) throw error
    if (error.reason === 'connection-refused') throw nobodyListens(listener, error)
    throw error.reason === 'rpc-unimplemented' ? anotherListens(listener, error) : error
  } finally {
    open.close()
  }
}

function nobodyListens({ who, at, fix }: Listener, cause: unknown): CountersignError {
  return new CountersignError('unavailable', `no ${who} listens at ${at}`, {
    reason: `${who}-socket-missing`,
    fix,
    cause,
  })
}

/** The socket of an agent for a server's, or the other way round; or a server of another version. */
function anotherListens({ who, at, fix }: Listener, cause: CountersignError): CountersignError {
  const message = `what listens at ${at} is no ${who} that has this call`
  return new CountersignError('unimplemented', message, { reason: cause.reason, fix, cause })
}

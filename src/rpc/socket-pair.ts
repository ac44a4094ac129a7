import { Socket } from 'node:net'
import { CountersignError } from '../errors.ts'
import { libc } from './libc.ts'

const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_CLOEXEC = 0o2000000

/**
 * Two sockets that are connected to each other: a way to put a step between a connection and what
 * reads it that expects a socket of the kernel's. Node's HTTP/2 does, whatever its types say: over
 * any other Duplex a session that ends while it writes throws where nobody can catch it.
 * Throws `unavailable` (`no-descriptors`).
 */
export function socketPair(): readonly [Socket, Socket] {
  const fds = new Int32Array(2)
  if (libc().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) !== 0) {
    throw new CountersignError('unavailable', 'no descriptors are left', {
      reason: 'no-descriptors',
    })
  }
  return [socketOf(fds[0]), socketOf(fds[1])]
}

function socketOf(fd: number | undefined): Socket {
  return new Socket({ fd: fd ?? -1, readable: true, writable: true })
}

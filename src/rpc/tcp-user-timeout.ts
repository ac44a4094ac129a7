import type { Socket } from 'node:net'
import { endianness } from 'node:os'
import { libc } from './libc.ts'
import { descriptorOf } from './socket-descriptor.ts'

const IPPROTO_TCP = 6
const TCP_USER_TIMEOUT = 18

/**
 * Has the kernel break a connection over which something was sent that the other side has not taken for so long (RFC 5482).
 * It would try for a quarter of an hour otherwise, and whoever writes would not be told. False where that cannot be had.
 */
export function breakUnanswered(socket: Socket, afterMs: number): boolean {
  const fd = descriptorOf(socket)
  if (fd === undefined) return false
  const value = Buffer.alloc(4)
  if (endianness() === 'LE') value.writeUInt32LE(afterMs)
  else value.writeUInt32BE(afterMs)
  try {
    return libc().setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, value, value.length) === 0
  } catch {
    // The calls of the C library are an optional dependency, and the connection is as good as it was.
    return false
  }
}

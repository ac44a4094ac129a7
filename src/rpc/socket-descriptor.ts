import type { Socket } from 'node:net'
import { libc } from './libc.ts'

const MSG_PEEK = 0x2
const MSG_DONTWAIT = 0x40
const peeked = Buffer.alloc(1024)

/** The socket's descriptor; undefined once it is closed. Node keeps it on the handle that libuv owns. */
export function descriptorOf(socket: Socket): number | undefined {
  const fd = (socket as { _handle?: { readonly fd?: number } | null })._handle?.fd
  return fd === undefined || fd < 0 ? undefined : fd
}

/**
 * The first bytes (1,024 at most) that have come in and that nobody has read; they stay where they are.
 * Empty where there are none. Good until the next call.
 */
export function peek(socket: Socket): Buffer {
  const fd = descriptorOf(socket)
  const bytes =
    fd === undefined ? 0 : libc().recv(fd, peeked, peeked.length, MSG_PEEK | MSG_DONTWAIT)
  return peeked.subarray(0, Math.max(0, bytes))
}

import { CountersignError } from '../errors.ts'
import { libc } from './libc.ts'

const AF_UNIX = 1
const SOCK_DGRAM_CLOEXEC = 0o2000002
const MSG_NOSIGNAL_DONTWAIT = 0x4040
const maxPath = 107
const EAGAIN = 11

/**
 * Sends messages to the datagram socket at `path` (`@…`: an abstract one), of which Node knows nothing. Never waits:
 * answers how many of them were sent before the reader was behind. Throws `unavailable` `unix-datagram`.
 */
export function sendUnixDatagrams(path: string, messages: readonly Buffer[]): number {
  const address = addressOf(path)
  const { socket, sendto, close, errno } = libc()
  const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0)
  if (fd < 0) throw failed(path, `errno ${errno()}`)
  try {
    for (const [before, message] of messages.entries()) {
      const flags = MSG_NOSIGNAL_DONTWAIT
      const sent = sendto(fd, message, message.length, flags, address, address.length)
      if (sent >= 0) continue
      if (errno() === EAGAIN) return before
      throw failed(path, `errno ${errno()}`)
    }
    return messages.length
  } finally {
    close(fd)
  }
}

function addressOf(path: string): Buffer {
  const name = Buffer.from(path)
  // `@` stands for the abstract socket's leading zero.
  if (name[0] === 0x40) name[0] = 0
  else if (name[0] !== 0x2f) throw failed(path, 'it is no path')
  if (name.length > maxPath) throw failed(path, 'it is too long')
  const address = Buffer.alloc(2 + name.length + (name[0] === 0 ? 0 : 1))
  address.writeUInt16LE(AF_UNIX)
  name.copy(address, 2)
  return address
}

function failed(path: string, why: string): CountersignError {
  return new CountersignError('unavailable', `cannot send to ${path}: ${why}`, {
    reason: 'unix-datagram',
  })
}

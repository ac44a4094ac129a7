import { CountersignError } from '../errors.ts'
import { libc } from './libc.ts'

const AF_UNIX = 1
const SOCK_DGRAM_CLOEXEC = 0o2000002
const MSG_NOSIGNAL = 0x4000
const maxPath = 107

/**
 * Tells the service manager that started us (sd_notify(3)), as `READY=1`; does nothing where there is
 * none. Throws `unavailable` / `notify-failed`.
 */
export function notifyServiceManager(
  state: string,
  env: Readonly<Record<string, string | undefined>>,
): void {
  const path = env['NOTIFY_SOCKET']
  if (path === undefined || path === '') return
  const name = Buffer.from(path)
  // `@` stands for the abstract socket's leading zero.
  if (name[0] === 0x40) name[0] = 0
  else if (name[0] !== 0x2f) throw failed('NOTIFY_SOCKET is no path')
  if (name.length > maxPath) throw failed('NOTIFY_SOCKET is too long')
  const address = Buffer.alloc(2 + name.length + (name[0] === 0 ? 0 : 1))
  address.writeUInt16LE(AF_UNIX)
  name.copy(address, 2)
  const { socket, sendto, close, errno } = libc()
  const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0)
  if (fd < 0) throw failed(`errno ${errno()}`)
  const message = Buffer.from(state)
  const sent = sendto(fd, message, message.length, MSG_NOSIGNAL, address, address.length)
  const problem = sent < 0 ? `errno ${errno()}` : undefined
  close(fd)
  if (problem !== undefined) throw failed(problem)
}

function failed(why: string): CountersignError {
  return new CountersignError('unavailable', `cannot tell the service manager: ${why}`, {
    reason: 'notify-failed',
  })
}

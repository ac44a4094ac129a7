import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { libc } from '../../src/rpc/libc.ts'

const AF_UNIX = 1
const SOCK_DGRAM = 2
const MSG_DONTWAIT = 0x40

/** A datagram socket at `path`, as a system's log has one; `take` answers what has come since. */
export function localDatagrams(path: string): { take(): string[]; close(): void } {
  mkdirSync(dirname(path), { recursive: true })
  const koffi = createRequire(import.meta.url)('koffi')
  const bind = koffi.load(null).func('int bind(int fd, const uint8_t *address, uint32_t length)')
  const { socket, recv, close } = libc()
  const fd = socket(AF_UNIX, SOCK_DGRAM, 0)
  const address = Buffer.alloc(2 + path.length + 1)
  address.writeUInt16LE(AF_UNIX)
  address.write(path, 2)
  if (fd < 0 || bind(fd, address, address.length) < 0) throw new Error(`cannot bind ${path}`)
  return {
    take() {
      const found: string[] = []
      const buffer = Buffer.alloc(65_536)
      for (;;) {
        const length = Number(recv(fd, buffer, buffer.length, MSG_DONTWAIT))
        if (length < 0) return found
        found.push(buffer.toString('utf8', 0, length))
      }
    },
    close: () => void close(fd),
  }
}

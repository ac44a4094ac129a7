import { createRequire } from 'node:module'
import type koffiModule from 'koffi'
import { CountersignError } from '../errors.ts'

/** The few calls of the C library that Node has no words for. Each returns -1 where it failed. */
export interface Libc {
  getsockopt(fd: number, level: number, name: number, value: Buffer, length: Uint32Array): number
  setsockopt(fd: number, level: number, name: number, value: Buffer, length: number): number
  recv(fd: number, buffer: Buffer, length: number, flags: number): number
  socketpair(domain: number, type: number, protocol: number, fds: Int32Array): number
  socket(domain: number, type: number, protocol: number): number
  sendto(
    fd: number,
    buffer: Buffer,
    length: number,
    flags: number,
    address: Buffer,
    addressLength: number,
  ): number
  pidfdOpen(pid: number): number
  close(fd: number): number
  /** Of the call before. */
  errno(): number
  /** Gives free pages of the heap back to the system; does nothing where the C library has no such call. */
  trimHeap(): void
}

// asm-generic: the same on x64, arm64, riscv64 and loong64.
const SYS_PIDFD_OPEN = 434

let loaded: Libc | undefined

/**
 * Loaded at the first call, so that who needs none of it does not pay for it. Throws `unimplemented`
 * or `unavailable` (`native-calls-unsupported`).
 */
export function libc(): Libc {
  loaded ??= load()
  return loaded
}

function load(): Libc {
  if (process.platform !== 'linux') {
    throw new CountersignError('unimplemented', 'peer credentials need Linux', {
      reason: 'native-calls-unsupported',
    })
  }
  let koffi: typeof koffiModule
  try {
    koffi = createRequire(import.meta.url)('koffi')
  } catch (cause) {
    throw new CountersignError('unavailable', 'the native module koffi cannot be loaded', {
      reason: 'native-calls-unsupported',
      fix: 'install with optional dependencies: npm ci --include=optional',
      cause,
    })
  }
  const own = koffi.load(null)
  const trim = trimOf(own)
  const syscall = own.func('long syscall(long number, ...)')
  return {
    getsockopt: own.func(
      'int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)',
    ),
    setsockopt: own.func(
      'int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)',
    ),
    recv: own.func('long recv(int fd, _Out_ uint8_t *buffer, size_t length, int flags)'),
    socketpair: own.func('int socketpair(int domain, int type, int protocol, _Out_ int *fds)'),
    socket: own.func('int socket(int domain, int type, int protocol)'),
    sendto: own.func(
      'long sendto(int fd, const uint8_t *buffer, size_t length, int flags, const uint8_t *address, uint32_t addressLength)',
    ),
    pidfdOpen: (pid) => Number(syscall(SYS_PIDFD_OPEN, 'int', pid, 'uint', 0)),
    close: own.func('int close(int fd)'),
    errno: () => koffi.errno(),
    trimHeap: () => void trim?.(0),
  }
}

/** Of glibc alone. */
function trimOf(own: ReturnType<typeof koffiModule.load>): ((pad: number) => number) | undefined {
  try {
    return own.func('int malloc_trim(size_t pad)')
  } catch {
    return undefined
  }
}

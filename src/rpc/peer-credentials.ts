import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { CountersignError } from '../errors.ts'
import { libc } from './libc.ts'
import { descriptorOf } from './socket-descriptor.ts'

/** Who connected, as the kernel noted it at connect(): pid as seen from here, effective uid and gid. */
export interface PeerCredentials {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** A process held by the kernel's own reference: its number may be reused, this may not. */
export interface PidFd {
  readonly fd: number
  /** False as soon as the process has been reaped, or where it is not the one that `pid` names. */
  alive(): boolean
  close(): void
}

// asm-generic values, the same on x64, arm64, riscv64 and loong64.
const SOL_SOCKET = 1
const SO_PEERCRED = 17
const SO_PEERPIDFD = 77
const ENOPROTOOPT = 92

// Calls are synchronous: one set of buffers serves all.
const credentials = Buffer.alloc(12)
const credentialsLength = new Uint32Array(1)
const descriptor = Buffer.alloc(4)
const descriptorLength = new Uint32Array(1)

/**
 * SO_PEERCRED of a connected Unix socket. A pid of 0 or less is a process that this pid namespace
 * cannot see. Throws `unavailable`: `peer-gone` where the socket is closed already.
 */
export function peerCredentials(socket: Socket): PeerCredentials {
  const fd = descriptorOf(socket)
  if (fd === undefined) throw gone()
  credentialsLength[0] = credentials.length
  const failed = libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, credentialsLength)
  if (failed !== 0) throw gone(libc().errno())
  return {
    pid: credentials.readInt32LE(0),
    uid: credentials.readUInt32LE(4),
    gid: credentials.readUInt32LE(8),
  }
}

/**
 * A pidfd of the process that called connect(), from the socket itself (SO_PEERPIDFD, Linux 6.5):
 * no reuse of its number can deceive it. `unsupported` where the kernel lacks it, undefined where
 * the process is gone.
 */
export function peerPidFd(socket: Socket, pid: number): PidFd | 'unsupported' | undefined {
  const fd = descriptorOf(socket)
  if (fd === undefined) return undefined
  descriptorLength[0] = descriptor.length
  if (libc().getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, descriptor, descriptorLength) !== 0) {
    return libc().errno() === ENOPROTOOPT ? 'unsupported' : undefined
  }
  return pidFd(descriptor.readInt32LE(0), pid)
}

/**
 * A pidfd by number: what there is on kernels before 6.5. It does not show whether the number was
 * reused between connect() and this call.
 */
export function openPidFd(pid: number): PidFd | undefined {
  const fd = libc().pidfdOpen(pid)
  return fd < 0 ? undefined : pidFd(fd, pid)
}

function pidFd(fd: number, pid: number): PidFd {
  let open = true
  const wanted = `\nPid:\t${pid}\n`
  return {
    fd,
    alive() {
      // The kernel writes -1 for a process that was reaped, 0 for one that this /proc cannot see.
      return open && readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').includes(wanted)
    },
    close() {
      if (!open) return
      open = false
      libc().close(fd)
    },
  }
}

function gone(errno?: number): CountersignError {
  return new CountersignError('unavailable', 'the caller has left', {
    reason: 'peer-gone',
    cause: errno === undefined ? undefined : new Error(`getsockopt failed with errno ${errno}`),
  })
}

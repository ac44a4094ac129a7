import type { Socket } from 'node:net'
import { CountersignError } from '../../src/errors.ts'
import {
  openPidFd,
  type PeerCredentials,
  type PidFd,
  peerPidFd,
} from '../../src/rpc/peer-credentials.ts'
import type { PeerProcess } from './attestor.ts'
import { type ProcessState, sameExecutable, supplementaryGidsOf } from './process-state.ts'
import type { HeldProcess, Processes } from './processes.ts'

/** The process behind one connection, as it was when it was accepted. */
export interface Caller {
  readonly credentials: PeerCredentials
  /**
   * Looks at the process anew; within one `slice`, which is a few milliseconds of work without a
   * break, one look counts for all connections of a process. Throws `unavailable` (`caller-gone`,
   * `caller-changed`) or `forbidden` (`caller-invisible`): then no call on this connection can
   * succeed any more.
   */
  look(slice?: object): ProcessState
  /** Gives up what is held for it; to be called once the connection is closed. */
  release(): void
}

/** What a connection costs in descriptors: itself, and a pidfd where the kernel gives none by socket. */
export type PidFdKind = 'by-socket' | 'by-number'

/** Remembers the process at accept; never throws. `onKind` tells which kind of pidfd it lives by. */
export function acceptCaller(
  socket: Socket,
  credentials: PeerCredentials,
  processes: Processes,
  onKind: (kind: PidFdKind) => void = () => {},
): Caller {
  const { pid } = credentials
  if (pid <= 0) return refusedCaller(credentials, invisible)
  const first = peerPidFd(socket, pid)
  const pidFd = first === 'unsupported' ? openPidFd(pid) : undefined
  onKind(first === 'unsupported' ? 'by-number' : 'by-socket')
  const held = processes.hold(pid)
  // Alive after the process was opened by its number: the number was its own, and what is open is it.
  const alive = isAlive(first === 'unsupported' ? pidFd : first)
  if (first !== 'unsupported') first?.close()
  if (held === undefined || !alive) {
    if (held !== undefined) processes.release(held.process)
    pidFd?.close()
    return refusedCaller(credentials, gone)
  }
  const accepted = held.state
  let process: HeldProcess | undefined = held.process

  const letGo = (): void => {
    if (process !== undefined) processes.release(process)
    process = undefined
  }
  /** Its descriptors had to make room: as at accept, once more. */
  const holdAnew = (): ProcessState | undefined => {
    letGo()
    const again = processes.hold(pid)
    process = again?.process
    if (pidFd === undefined ? isAliveNow(socket, pid) : pidFd.alive()) return again?.state
    letGo()
    return undefined
  }

  return {
    credentials,
    look(slice) {
      const state =
        process === undefined || process.closed
          ? holdAnew()
          : slice === undefined
            ? process.look()
            : process.lookIn(slice)
      if (state === undefined) throw gone()
      if (
        state.startTime !== accepted.startTime ||
        !sameExecutable(state.executable, accepted.executable) ||
        state.effectiveUid !== credentials.uid ||
        state.effectiveGid !== credentials.gid
      ) {
        throw changed()
      }
      return state
    },
    release() {
      letGo()
      pidFd?.close()
    },
  }
}

function isAlive(pidFd: PidFd | undefined): boolean {
  return pidFd?.alive() ?? false
}

/** By a pidfd for the moment: one for each connection would halve the number of connections. */
function isAliveNow(socket: Socket, pid: number): boolean {
  const pidFd = peerPidFd(socket, pid)
  if (pidFd === undefined || pidFd === 'unsupported') return false
  try {
    return pidFd.alive()
  } finally {
    pidFd.close()
  }
}

function refusedCaller(credentials: PeerCredentials, error: () => CountersignError): Caller {
  return {
    credentials,
    look() {
      throw error()
    },
    release() {},
  }
}

/** The process as attestors see it. */
export function peerProcessOf(credentials: PeerCredentials, state: ProcessState): PeerProcess {
  return {
    pid: credentials.pid,
    uid: credentials.uid,
    gid: credentials.gid,
    supplementaryGids: supplementaryGidsOf(state.rights),
    executable: state.executable,
  }
}

function gone(): CountersignError {
  return new CountersignError('unavailable', 'the calling process is gone', {
    reason: 'caller-gone',
  })
}

/** Another program, user or group than at connect(): it may connect anew and ask as what it is now. */
export function changed(): CountersignError {
  return new CountersignError('unavailable', 'the calling process has changed since it connected', {
    reason: 'caller-changed',
    fix: 'connect anew',
  })
}

function invisible(): CountersignError {
  return new CountersignError('forbidden', 'the calling process cannot be seen from here', {
    reason: 'caller-invisible',
    fix: "run the agent in the host's pid namespace",
  })
}

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
import type { Held, HeldProcess, Processes } from './processes.ts'

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

/**
 * Remembers the process at accept; never throws. `serial` counts the connections in the order in which
 * they were accepted. `onKind` tells which kind of pidfd it lives by.
 */
export function acceptCaller(
  socket: Socket,
  credentials: PeerCredentials,
  serial: number,
  processes: Processes,
  onKind: (kind: PidFdKind) => void = () => {},
): Caller {
  const { pid } = credentials
  if (pid <= 0) return refusedCaller(credentials, invisible)
  const held = processes.hold(pid)
  const proof = prove(socket, pid, serial, held, onKind)
  if (held === undefined || proof === undefined) {
    if (held !== undefined) processes.release(held.process)
    return refusedCaller(credentials, gone)
  }
  const { pidFd } = proof
  const accepted = held.state
  let process: HeldProcess | undefined = held.process

  const letGo = (): void => {
    if (process !== undefined) processes.release(process)
    process = undefined
  }
  /** Its descriptor had to make room: as at accept, once more. */
  const holdAnew = (): ProcessState | undefined => {
    letGo()
    const anew = processes.hold(pid)
    process = anew?.process
    if (pidFd === undefined ? isAliveNow(socket, pid) : pidFd.alive()) {
      if (process !== undefined && pidFd === undefined) noteProof(process, serial)
      return anew?.state
    }
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

/**
 * Makes sure that the held process is the socket's other end; undefined where it is not. A pidfd that
 * says, after the process was opened by its number, that the peer is alive shows that the number was
 * its own, and that what is open is it. Where the kernel gives none by socket, one by number is kept.
 *
 * Connections are accepted in the order in which they were made. Where an earlier one was proven to be
 * of this process, it has had its number ever since that one was made, hence when this one was.
 */
function prove(
  socket: Socket,
  pid: number,
  serial: number,
  held: Held | undefined,
  onKind: (kind: PidFdKind) => void,
): { readonly pidFd: PidFd | undefined } | undefined {
  if (held !== undefined && held.process.provenSince < serial) return { pidFd: undefined }
  const bySocket = peerPidFd(socket, pid)
  onKind(bySocket === 'unsupported' ? 'by-number' : 'by-socket')
  if (bySocket === 'unsupported') {
    const pidFd = openPidFd(pid)
    // Both alive in between: they are one process.
    if (held?.process.look() !== undefined && pidFd?.alive()) return { pidFd }
    pidFd?.close()
    return undefined
  }
  const alive = bySocket?.alive() ?? false
  bySocket?.close()
  if (!alive) return undefined
  if (held !== undefined) noteProof(held.process, serial)
  return { pidFd: undefined }
}

function noteProof(process: HeldProcess, serial: number): void {
  process.provenSince = Math.min(process.provenSince, serial)
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

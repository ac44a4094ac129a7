import { readFileSync, statSync } from 'node:fs'
import type { FileIdentity } from './attestor.ts'

/** A process as /proc shows it at one moment. */
export interface ProcessState {
  /** In clock ticks since boot; with the pid it names a process for good. */
  readonly startTime: string
  readonly effectiveUid: number
  readonly effectiveGid: number
  /** The lines Uid, Gid and Groups as they stand: equal text is equal rights. */
  readonly rights: string
  readonly executable: FileIdentity | undefined
}

const startTimeField = 19
const executableFlags = { bigint: true } as const

/**
 * Reads /proc/<pid>. These files are made by the kernel as they are read: no disk is waited for, and
 * a synchronous read takes a few microseconds. undefined where the process is gone or a zombie.
 */
export function readProcessState(pid: number): ProcessState | undefined {
  try {
    const startTime = startTimeOf(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    if (startTime === undefined) return undefined
    const rights = rightsOf(readFileSync(`/proc/${pid}/status`, 'utf8'))
    if (rights === undefined) return undefined
    return { startTime, ...rights, executable: executableOf(pid) }
  } catch {
    return undefined
  }
}

/** proc_pid_stat(5): the name, in brackets, may itself hold brackets, blanks and line ends. */
function startTimeOf(stat: string): string | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ', startTimeField + 1)
  const state = fields[0]
  if (state === 'Z' || state === 'X' || state === 'x') return undefined
  return fields[startTimeField]
}

function rightsOf(
  status: string,
): Pick<ProcessState, 'effectiveUid' | 'effectiveGid' | 'rights'> | undefined {
  // The name, which the process chooses, is in the first line, with its line ends escaped.
  const uids = lineOf(status, 'Uid')
  const gids = lineOf(status, 'Gid')
  const groups = lineOf(status, 'Groups')
  if (uids === undefined || gids === undefined || groups === undefined) return undefined
  const effectiveUid = Number(uids.split('\t', 2)[1])
  const effectiveGid = Number(gids.split('\t', 2)[1])
  if (!Number.isSafeInteger(effectiveUid) || !Number.isSafeInteger(effectiveGid)) return undefined
  return { effectiveUid, effectiveGid, rights: `${uids}\n${gids}\n${groups}` }
}

function lineOf(status: string, name: string): string | undefined {
  const label = `\n${name}:\t`
  const start = status.indexOf(label)
  if (start === -1) return undefined
  const from = start + label.length
  return status.slice(from, status.indexOf('\n', from)).trimEnd()
}

/** The last of the lines in `rights`: the supplementary groups, in the kernel's order. */
export function supplementaryGidsOf(rights: string): readonly number[] {
  const groups = rights.slice(rights.lastIndexOf('\n') + 1)
  return groups === '' ? [] : groups.split(' ').map(Number)
}

function executableOf(pid: number): FileIdentity | undefined {
  try {
    const { dev, ino } = statSync(`/proc/${pid}/exe`, executableFlags)
    return { device: dev, inode: ino }
  } catch {
    return undefined
  }
}

export function sameExecutable(a: FileIdentity | undefined, b: FileIdentity | undefined): boolean {
  return a?.device === b?.device && a?.inode === b?.inode
}

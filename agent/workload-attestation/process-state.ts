import type { FileIdentity } from './attestor.ts'

/** A process as /proc shows it at one moment. */
export interface ProcessState {
  /** In clock ticks since boot; with the pid it names a process for good. */
  readonly startTime: string
  /** Undefined where the agent may not see it. */
  readonly executable: FileIdentity | undefined
  readonly effectiveUid: number
  readonly effectiveGid: number
  /** The lines Uid, Gid and Groups as they stand: equal text is equal rights. */
  readonly rights: string
}

export type ProcessRights = Pick<ProcessState, 'effectiveUid' | 'effectiveGid' | 'rights'>

const startTimeField = 19

/**
 * The start time in the text of /proc/<pid>/stat; undefined for a zombie. proc_pid_stat(5): the name,
 * in brackets, may itself hold brackets, blanks and line ends.
 */
export function startTimeOf(stat: string): string | undefined {
  let at = stat.lastIndexOf(')') + 2
  if (hasEnded(stat[at])) return undefined
  for (let field = 0; field < startTimeField; field += 1) {
    const blank = stat.indexOf(' ', at)
    if (blank === -1) return undefined
    at = blank + 1
  }
  const end = stat.indexOf(' ', at)
  return end === -1 ? undefined : stat.slice(at, end)
}

/** What the text of /proc/<pid>/status says of user and groups; undefined for a zombie. */
export function rightsOf(status: string): ProcessRights | undefined {
  // The name, which the process chooses, is in the first line, with its line ends escaped.
  if (hasEnded(lineOf(status, 'State')?.[0])) return undefined
  const uids = lineOf(status, 'Uid')
  const gids = lineOf(status, 'Gid')
  const groups = lineOf(status, 'Groups')
  if (uids === undefined || gids === undefined || groups === undefined) return undefined
  const effectiveUid = Number(uids.split('\t', 2)[1])
  const effectiveGid = Number(gids.split('\t', 2)[1])
  if (!Number.isSafeInteger(effectiveUid) || !Number.isSafeInteger(effectiveGid)) return undefined
  return { effectiveUid, effectiveGid, rights: `${uids}\n${gids}\n${groups}` }
}

function hasEnded(state: string | undefined): boolean {
  return state === undefined || 'ZXx'.includes(state)
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

export function sameExecutable(a: FileIdentity | undefined, b: FileIdentity | undefined): boolean {
  return a?.device === b?.device && a?.inode === b?.inode
}

import { CountersignError } from '../../src/errors.ts'
import { type Caller, changed } from './caller.ts'
import { openProcessFiles } from './process-files.ts'
import { sameExecutable } from './process-state.ts'

/**
 * The process that has this number now, to be attested as if it had called: whoever gives the number
 * answers for it. From here on it is that very process, whoever has its number later. `look` throws
 * as a caller's does; `release` has to be called. Throws `not-found` / `process-absent`.
 */
export function processByNumber(pid: number): Caller {
  const files = pid > 0 ? openProcessFiles(pid) : undefined
  const first = files?.look()
  if (files === undefined || first === undefined) {
    files?.close()
    throw new CountersignError('not-found', 'there is no process of this number', {
      reason: 'process-absent',
      fix: "name it by its number in the agent's pid namespace",
    })
  }
  return {
    credentials: { pid, uid: first.effectiveUid, gid: first.effectiveGid },
    look() {
      const now = files.look()
      if (now === undefined) {
        throw new CountersignError('unavailable', 'the process is gone', { reason: 'caller-gone' })
      }
      if (!sameExecutable(now.executable, first.executable) || now.rights !== first.rights) {
        throw changed()
      }
      return now
    },
    release: () => files.close(),
  }
}

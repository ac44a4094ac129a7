import { CountersignError } from '../../src/errors.ts'
import { type Caller, changed } from './caller.ts'
import { openProcess } from './process-file.ts'
import { sameExecutable } from './process-state.ts'

/**
 * The process that has this number now, to be attested as if it had called: whoever gives the number
 * answers for it. From here on it is that very process, whoever has its number later. `look` throws
 * as a caller's does; `release` has to be called. Throws `not-found` / `process-absent`.
 */
export function processByNumber(pid: number): Caller {
  const file = pid > 0 ? openProcess(pid) : undefined
  const first = file?.look()
  if (file === undefined || first === undefined) {
    file?.close()
    throw new CountersignError('not-found', 'there is no process of this number', {
      reason: 'process-absent',
      fix: "name it by its number in the agent's pid namespace",
    })
  }
  return {
    credentials: { pid, uid: first.effectiveUid, gid: first.effectiveGid },
    look() {
      const now = file.look()
      if (now === undefined) {
        throw new CountersignError('unavailable', 'the process is gone', { reason: 'caller-gone' })
      }
      if (!sameExecutable(now.executable, first.executable) || now.rights !== first.rights) {
        throw changed()
      }
      return now
    },
    release: () => file.close(),
  }
}

import { lstat } from 'node:fs/promises'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { asCountersignError, type ErrorCode } from '../../../src/errors.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import type { Log } from '../../../src/runtime/log.ts'
import { refusedKeyEvent } from '../keys/key-change.ts'
import type { Integration } from '../settings.ts'
import type { RouteTable } from './route-table.ts'

export interface KeyWatchDeps {
  readonly table: Pick<RouteTable, 'current' | 'takeKey'>
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
}

/** What is known of the file that an integration's key comes from. */
interface Seen {
  /** As the last look found it. */
  readonly stamp: string
  /** As it was when the key was read. */
  readonly read: string
  /** Why it could not be, where that may pass by itself. */
  readonly trouble: string | undefined
}

const lookMs = 500
const nothing: Seen = { stamp: '', read: '', trouble: undefined }
/** A file that cannot be used is not read again before it has changed; these are no fault of the file. */
const passing: ReadonlySet<ErrorCode> = new Set(['unavailable', 'exhausted', 'internal'])

/**
 * Looks at the files of keys until the signal aborts. One that has changed, and that two looks find the same, is read,
 * and its key taken; one that cannot be used is logged and on record, and the key stays what it was.
 */
export async function watchKeys(deps: KeyWatchDeps, signal: AbortSignal): Promise<void> {
  const { table, append, clock, log } = deps
  const seen = new Map<string, Seen>()

  const look = async (integration: Integration, path: string): Promise<void> => {
    const { id } = integration
    const stamp = await stampOf(path)
    const before = seen.get(id) ?? nothing
    seen.set(id, { ...before, stamp })
    if (stamp !== before.stamp || stamp === before.read) return
    const failure = await table.takeKey(id).then(() => undefined, asCountersignError)
    const passes = failure !== undefined && passing.has(failure.code)
    seen.set(id, {
      ...{ stamp, read: passes ? '' : stamp },
      trouble: passes ? failure.reason : undefined,
    })
    if (failure === undefined || failure.reason === before.trouble) return
    log.error('a key is kept as it was: the new one cannot be used', {
      integration: id,
      error: failure,
    })
    await append([refusedKeyEvent(integration, failure, clock.now())]).catch(() => {})
  }
  for (;;) {
    await clock.sleep(lookMs, signal)
    for (const { integration } of table.current().values()) {
      const { secret } = integration
      // What a process finds in its environment does not change.
      if (secret.from !== 'env') await look(integration, secret.path)
    }
  }
}

/** Another one for another file, and for what has been written to it. */
async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await lstat(path, { bigint: true })
    return [path, ino, size, mtimeNs, ctimeNs].join(':')
  } catch {
    return `${path}:unreadable`
  }
}

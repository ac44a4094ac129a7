import { hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { AuditEvent, AuditKind } from '../../src/audit/event.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { eachMinute } from '../../src/runtime/each-minute.ts'
import type { Log } from '../../src/runtime/log.ts'
import { readBounded } from './named-file.ts'

/** A part of the configuration that has a file of its own, and what is done with it. */
export interface FollowedDeps<T> {
  /** What the log calls it: several things. */
  readonly what: string
  readonly recordedAs: { readonly loaded: AuditKind; readonly refused: AuditKind }
  /** Throws where the text is unsound. */
  readonly read: (text: string) => T
  /** Rejects where it is sound and yet cannot be used, for a reason outside the file. */
  readonly check?: (found: T) => Promise<void>
  /** How much of what there is, for the log and for the record. */
  readonly count: (found: T) => Readonly<Record<string, number>>
  /** What it changes, where that is put on record one by one. */
  readonly changes?: (found: T) => readonly AuditEvent[]
  /** Puts it in force. */
  readonly use: (found: T) => void
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
}

export interface FollowedFile {
  /** One look at the file; `run` does it each second. */
  look(): Promise<void>
  run(signal: AbortSignal): Promise<void>
}

interface Refused {
  readonly sha256: string
  readonly error: unknown
}

const lookMs = 1000

/**
 * Puts what a file says in force, and on record. Later changes of it come into force once it has been the same for two
 * looks; what is unsound is refused, and what was in force stays. What cannot be put in force for a reason outside the
 * file is tried again at each look. At first it throws: as `readBounded`, `read` and `check`, `forbidden`
 * `oauth-file-mode`, and what `append` throws.
 */
export async function openFollowedFile<T>(
  path: string,
  deps: FollowedDeps<T>,
): Promise<FollowedFile> {
  const { what, recordedAs, count, use, append, clock, log } = deps
  let inForce = ''
  /** On record as refused since what is in force was last seen. */
  let refused = ''
  let unsound = ''
  let seen = ''
  // What cannot be put on record is refused again at each look.
  const sayKept = eachMinute<Refused>(
    clock,
    ({ sha256, error }) => `${sha256} ${reasonOf(error)}`,
    ({ error }) =>
      log.error(`${what} are kept as they were: the new ones cannot be used`, { path, error }),
  )
  const sayNotLooked = eachMinute(clock, reasonOf, (error) =>
    log.error(`${what} were not looked at`, { path, error }),
  )
  const putInForce = async (text: string, sha256: string): Promise<void> => {
    const found = readSoundly(text, sha256)
    await deps.check?.(found)
    const details = { ...count(found), sha256 }
    await append([event('loaded', details), ...(deps.changes?.(found) ?? [])])
    use(found)
    inForce = sha256
    log.info(`${what} are in force`, { path, ...details })
  }
  const readSoundly = (text: string, sha256: string): T => {
    unsound = sha256
    const found = deps.read(text)
    unsound = ''
    return found
  }
  const event = (
    kind: 'loaded' | 'refused',
    details: Record<string, string | number>,
    reason?: string,
  ): AuditEvent => ({
    ...{ kind: recordedAs[kind], time: clock.now(), actor: { kind: 'server' } },
    ...{ decision: kind === 'loaded' ? 'allow' : 'deny', reason, details },
  })
  const refuse = async (sha256: string, error: unknown): Promise<void> => {
    sayKept({ sha256, error })
    await append([event('refused', { sha256, inForce }, reasonOf(error))])
    refused = sha256
  }
  const look = async (): Promise<void> => {
    let text: string
    try {
      text = await readFollowed(path)
    } catch (error) {
      if (seen !== 'unreadable') await refuse('unreadable', error)
      seen = 'unreadable'
      return
    }
    const sha256 = hash('sha256', text)
    // Half of what somebody is writing just now may be a file too.
    const settled = sha256 === seen
    seen = sha256
    if (sha256 === inForce) refused = ''
    const isKnownUnsound = sha256 === unsound && sha256 === refused
    if (!settled || sha256 === inForce || isKnownUnsound) return
    try {
      await putInForce(text, sha256)
      refused = ''
    } catch (error) {
      if (sha256 !== refused) await refuse(sha256, error)
    }
  }
  const first = await readFollowed(path)
  await putInForce(first, hash('sha256', first))
  return {
    look,
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(lookMs, signal)
        await look().catch(sayNotLooked)
      }
    },
  }
}

function reasonOf(error: unknown): string {
  return error instanceof CountersignError ? error.reason : 'internal'
}

function readFollowed(path: string): Promise<string> {
  return readBounded(path, async (file: FileHandle) => refuseLooseFile(path, await file.stat()))
}

/** Whoever may write the file says who gets tokens. Throws `forbidden` `oauth-file-mode`. */
export function refuseLooseFile(path: string, { mode }: { readonly mode: number }): void {
  if ((mode & 0o002) === 0) return
  throw new CountersignError('forbidden', `everybody may write ${path}`, {
    reason: 'oauth-file-mode',
    fix: `chmod o-w ${path}`,
  })
}

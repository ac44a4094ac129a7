import type { Entry } from '../../src/entry/entry.ts'
import { sleepUnlessWoken } from '../../src/runtime/clock.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Changes } from '../changes/changes.ts'
import { lateMs, type RecheckDeps, recheck } from './recheck.ts'

const lookMs = 1000
const againMs = 2000
/** More IDs at once than this are cheaper looked at as all. */
const maxIds = 200

/**
 * Decides anew on the tokens of an ID whose entry has been changed, at once and again later, for what was under way. Until
 * the signal aborts.
 */
export async function runEntryRecheck(
  deps: RecheckDeps & { readonly changes: Pick<Changes, 'subscribe'> },
  signal: AbortSignal,
): Promise<void> {
  const { changes, clock, log } = deps
  let woken = new AbortController()
  let fresh = new Set<SpiffeId>()
  /** When each is looked at again, by the monotonic clock. */
  const late = new Map<SpiffeId, readonly number[]>()
  const dueOf = (nowMs: number): Set<SpiffeId> => {
    const due = new Set<SpiffeId>()
    for (const [id, times] of late) {
      const left = times.filter((at) => at > nowMs)
      if (left.length < times.length) due.add(id)
      if (left.length > 0) late.set(id, left)
      else late.delete(id)
    }
    return due
  }
  const stop = changes.subscribe(({ entries }) => {
    for (const entry of entries.values()) {
      // What is gone has been revoked with its entry.
      if (entry !== undefined && mayHaveTokens(entry, deps)) fresh.add(entry.spiffeId)
    }
    if (fresh.size > 0) woken.abort()
  })
  try {
    while (!signal.aborted) {
      await sleepUnlessWoken(clock, lookMs, woken.signal, signal)
      woken = new AbortController()
      const nowMs = clock.monotonicMs()
      const due = dueOf(nowMs)
      for (const id of fresh) {
        due.add(id)
        late.set(
          id,
          lateMs.map((ms) => nowMs + ms),
        )
      }
      fresh = new Set()
      try {
        if (due.size > maxIds) await recheck(deps)
        else for (const id of due) await recheck(deps, id)
      } catch (error) {
        log.error('what was granted to changed entries could not be decided anew', { error })
        for (const id of due) late.set(id, [...(late.get(id) ?? []), nowMs + againMs])
      }
    }
  } finally {
    stop()
  }
}

/** Nobody has tokens of an ID that is new; with another entry of one that is there, the policies ask for both. */
function mayHaveTokens(
  { revision, spiffeId }: Entry,
  { entriesOf }: Pick<RecheckDeps, 'entriesOf'>,
): boolean {
  return revision > 0 || entriesOf(spiffeId).length > 1
}

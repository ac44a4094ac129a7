import { asCountersignError, type CountersignError } from '../../src/errors.ts'
import { createBackoff } from '../../src/runtime/backoff.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { createOutage } from '../../src/runtime/outage.ts'
import type { Change, Snapshot } from '../cache/snapshot.ts'
import type { ChangeSource } from './source.ts'

export interface FollowDeps {
  /** The server's stream, as long as it has one. */
  readonly stream: ChangeSource
  /** For a server that answers `unimplemented` to the stream. */
  readonly poll: ChangeSource
  /** Aborts when the connection of this moment is to be given up for another. */
  readonly connection: () => AbortSignal
  readonly cache: { readonly snapshot: Snapshot; apply(change: Change): Promise<void> }
  /** A change was applied, or the server has said that there is nothing new. */
  readonly applied: () => void
  /** The server is gone. Resolves with the least time to wait before the next try, in ms. */
  readonly lost: (error: CountersignError, signal: AbortSignal) => Promise<number>
  readonly clock: Clock
  readonly log: Log
  readonly random?: () => number
}

const retryBaseMs = 100
const retryCapMs = 3000

/** Follows a server's changes for as long as the signal lets it, whatever happens to the connection. */
export async function follow(deps: FollowDeps, signal: AbortSignal): Promise<void> {
  const backoff = createBackoff({
    baseMs: retryBaseMs,
    capMs: retryCapMs,
    ...(deps.random === undefined ? {} : { random: deps.random }),
  })
  const { clock, log } = deps
  const outage = createOutage({ lost: 'lost the server', back: 'the server is back', clock, log })
  let source = deps.stream
  let wasThere = false
  /** So many streams in a row were there for a word, and then not long enough for a server that is there. */
  let brief = 0
  while (!signal.aborted) {
    const connection = deps.connection()
    let sinceMs = Infinity
    const hasLasted = (): boolean => clock.monotonicMs() - sinceMs >= retryCapMs
    const error = await followOnce(deps, source, AbortSignal.any([signal, connection]), () => {
      sinceMs = Math.min(sinceMs, clock.monotonicMs())
      if (hasLasted()) brief = 0
      if (brief === 0) outage.over()
      wasThere = true
      deps.applied()
    })
    signal.throwIfAborted()
    // One that is there for a word at a time would send each agent all that it has, ten times a second.
    if (hasLasted()) backoff.reset()
    if (source === deps.stream && error?.code === 'unimplemented') {
      log.debug('the server has no stream of changes; it is polled')
      source = deps.poll
      continue
    }
    source = deps.stream
    if (connection.aborted || error === undefined) continue
    brief = hasLasted() ? 0 : wasThere ? brief + 1 : brief
    // One cut says little: servers stop, and others take over. The next try tells whether none is there, and why.
    const isCut = wasThere && error.code === 'unavailable' && brief < 2
    if (isCut) log.info('the stream of changes was cut', { error })
    else outage.failed(error)
    wasThere = false
    const leastMs = await deps.lost(error, signal)
    await clock.sleep(Math.max(backoff.next(), leastMs), signal)
  }
}

/** Resolves with why the source failed; undefined where it has merely ended. */
async function followOnce(
  deps: FollowDeps,
  source: ChangeSource,
  signal: AbortSignal,
  applied: () => void,
): Promise<CountersignError | undefined> {
  const { cache } = deps
  try {
    for await (const change of source(() => cache.snapshot, signal)) {
      if (!isEmpty(cache.snapshot, change)) await cache.apply(change)
      applied()
    }
    return undefined
  } catch (error) {
    return asCountersignError(error)
  }
}

/** The server's sign of life. */
function isEmpty(held: Snapshot, change: Change): boolean {
  return (
    !change.snapshot &&
    change.position === held.position &&
    change.entries.length === 0 &&
    change.removedEntryIds.length === 0 &&
    change.bundles.length === 0 &&
    change.removedTrustDomains.length === 0
  )
}

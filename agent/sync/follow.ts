import { asCountersignError, CountersignError } from '../../src/errors.ts'
import type { FollowRequest$Input } from '../../src/rpc/gen/countersign/sync/v1/FollowRequest.ts'
import type { Update } from '../../src/rpc/gen/countersign/sync/v1/Update.ts'
import { createBackoff } from '../../src/runtime/backoff.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Change, Snapshot } from '../cache/snapshot.ts'
import { Group } from './group.ts'

/** An open `countersign.sync.v1.Sync/Follow`. */
export interface SyncStream {
  send(request: FollowRequest$Input): void
  readonly responses: AsyncIterable<Update>
}

export interface FollowDeps {
  readonly trustDomain: TrustDomain
  /** Opens the stream over the connection of this moment. The stream ends when the signal aborts. */
  readonly open: (signal: AbortSignal) => SyncStream
  /** Aborts when the connection of this moment is to be given up for another. */
  readonly connection: () => AbortSignal
  readonly cache: { readonly snapshot: Snapshot; apply(change: Change): void }
  /** A message came. */
  readonly heard: () => void
  /** A group was applied, or the server has said that there is nothing new. */
  readonly applied: () => void
  /** The stream is gone. Resolves with the least time to wait before the next, in ms. */
  readonly lost: (error: CountersignError, signal: AbortSignal) => Promise<number>
  readonly clock: Clock
  readonly log: Log
  readonly random?: () => number
  /** A server that has been silent for this long counts as gone. */
  readonly silenceMs?: number
}

const retryBaseMs = 100
const retryCapMs = 3000
const defaultSilenceMs = 60_000

/** Follows a server's changes for as long as the signal lets it, whatever happens to the stream. */
export async function follow(deps: FollowDeps, signal: AbortSignal): Promise<void> {
  const backoff = createBackoff({
    baseMs: retryBaseMs,
    capMs: retryCapMs,
    ...(deps.random === undefined ? {} : { random: deps.random }),
  })
  while (!signal.aborted) {
    const connection = deps.connection()
    const error = await followOnce(deps, AbortSignal.any([signal, connection]), () => {
      backoff.reset()
      deps.applied()
    })
    signal.throwIfAborted()
    if (connection.aborted) continue
    // A server that does not know the RPC is not one of ours; it would have to be polled, which
    // this agent does not do.
    deps.log.warn('lost the stream of changes', { error })
    const leastMs = await deps.lost(error, signal)
    await deps.clock.sleep(Math.max(backoff.next(), leastMs), signal)
  }
}

/** Resolves with why the stream ended. */
async function followOnce(
  deps: FollowDeps,
  signal: AbortSignal,
  applied: () => void,
): Promise<CountersignError> {
  const over = new AbortController()
  try {
    const stream = deps.open(AbortSignal.any([signal, over.signal]))
    const { logId, position } = deps.cache.snapshot
    stream.send({ log_id: logId, applied: String(position) })
    await readAll(deps, stream, over, applied)
    return new CountersignError('unavailable', 'the server ended the stream', {
      reason: 'sync-ended',
    })
  } catch (error) {
    return asCountersignError(over.signal.aborted ? over.signal.reason : error)
  } finally {
    over.abort()
  }
}

async function readAll(
  deps: FollowDeps,
  stream: SyncStream,
  over: AbortController,
  applied: () => void,
): Promise<void> {
  const responses = stream.responses[Symbol.asyncIterator]()
  let group = new Group(deps.trustDomain, deps.log)
  for (;;) {
    const next = await withinSilence(deps, responses.next(), over)
    if (next.done) return
    deps.heard()
    const change = group.add(next.value)
    if (change === undefined) continue
    group = new Group(deps.trustDomain, deps.log)
    checkContinues(deps.cache.snapshot, change)
    if (!isEmpty(deps.cache.snapshot, change)) deps.cache.apply(change)
    applied()
    stream.send({ log_id: change.logId, applied: String(change.position) })
  }
}

/** Changes go on from what is held; anything else takes a snapshot. Throws `conflict` / `sync-log`. */
function checkContinues(held: Snapshot, change: Change): void {
  if (change.snapshot) return
  if (change.logId !== held.logId || change.position < held.position) {
    throw new CountersignError('conflict', 'the changes do not continue what this agent holds', {
      reason: 'sync-log',
    })
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

async function withinSilence<T>(
  deps: FollowDeps,
  next: Promise<T>,
  over: AbortController,
): Promise<T> {
  const heard = new AbortController()
  const silence = deps.clock.sleep(deps.silenceMs ?? defaultSilenceMs, heard.signal).then(
    () =>
      over.abort(
        new CountersignError('unavailable', 'the server has gone silent', {
          reason: 'sync-silent',
        }),
      ),
    () => undefined,
  )
  try {
    return await Promise.race([next, silence.then(() => next)])
  } finally {
    heard.abort()
  }
}

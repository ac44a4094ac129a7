import { randomBytes } from 'node:crypto'
import { CountersignError } from '../../src/errors.ts'
import type { FollowRequest$Input } from '../../src/rpc/gen/countersign/sync/v1/FollowRequest.ts'
import type { Update } from '../../src/rpc/gen/countersign/sync/v1/Update.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { Slice } from '../../src/runtime/slice.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Change, Snapshot } from '../cache/snapshot.ts'
import { Group } from './group.ts'
import type { ChangeSource } from './source.ts'

/** An open `countersign.sync.v1.Sync/Follow`. */
export interface SyncStream {
  send(request: FollowRequest$Input): void
  readonly responses: AsyncIterable<Update>
}

export interface StreamDeps {
  readonly trustDomain: TrustDomain
  /** Opens the stream over the connection of this moment. The stream ends when the signal aborts. */
  readonly open: (signal: AbortSignal) => SyncStream
  readonly clock: Clock
  readonly log: Log
  /** A server that has been silent for this long counts as gone. */
  readonly silenceMs?: number
  /** Names this process, so that the server can tell a copy of the data folder from it. Default: drawn. */
  readonly instance?: string
  readonly random?: () => number
}

const defaultSilenceMs = 60_000

/** Each change as a Countersign server commits it; what was applied is acknowledged. */
export function streamChanges(deps: StreamDeps): ChangeSource {
  const instance = deps.instance ?? randomBytes(16).toString('hex')
  return async function* (held, signal) {
    const over = new AbortController()
    try {
      const stream = deps.open(AbortSignal.any([signal, over.signal]))
      const { logId, position } = held()
      stream.send({ log_id: logId, applied: String(position), instance })
      for await (const change of changesOf(deps, stream, over)) {
        checkContinues(held(), change)
        yield change
        stream.send({ log_id: change.logId, applied: String(change.position) })
      }
    } catch (error) {
      throw over.signal.aborted ? over.signal.reason : error
    } finally {
      over.abort()
    }
    throw new CountersignError('unavailable', 'the server ended the stream', {
      reason: 'sync-ended',
    })
  }
}

async function* changesOf(
  deps: StreamDeps,
  stream: SyncStream,
  over: AbortController,
): AsyncGenerator<Change, void, void> {
  const responses = stream.responses[Symbol.asyncIterator]()
  const slice = new Slice(deps.clock)
  let group = new Group(deps)
  for (;;) {
    const next = await withinSilence(deps, responses.next(), over)
    if (next.done) return
    const change = group.add(next.value)
    // Many messages may have come in already.
    if (slice.isOver) await slice.rest()
    if (change === undefined) continue
    group = new Group(deps)
    yield change
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

async function withinSilence<T>(
  deps: StreamDeps,
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

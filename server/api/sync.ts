import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { bundleToWire, entryToWire } from '../../src/rpc/convert.ts'
import type { FollowRequest } from '../../src/rpc/gen/countersign/sync/v1/FollowRequest.ts'
import type { Update$Input } from '../../src/rpc/gen/countersign/sync/v1/Update.ts'
import type { Entry$Input } from '../../src/rpc/gen/spire/api/types/Entry.ts'
import { bidiStream, type RpcHandler } from '../../src/rpc/server.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Caller } from '../access/caller.ts'
import type { Follower, FollowerGroup } from '../entry/follower.ts'
import { type Held, isOfThisLog, maxMissed, resumeFrom } from '../entry/resume.ts'
import { type Change, readChanges } from '../store/changes.ts'
import type { ApiDeps } from './deps.ts'
import { nextRequest } from './next-request.ts'

const beatMs = 15_000
const maxInstanceLength = 64
/** Of one message, roughly: some milliseconds of work for whoever makes or reads it. */
const chunkBytes = 1 << 15

type Deps = Pick<
  ApiDeps,
  'trustDomain' | 'store' | 'changes' | 'index' | 'followers' | 'bundles' | 'clock'
>

/** countersign.sync.v1.Sync */
export function syncHandlers(deps: Deps): Record<string, RpcHandler<Caller>> {
  return {
    Follow: bidiStream((requests: AsyncIterable<FollowRequest>, { caller, signal }) =>
      follow(deps, caller, requests, signal),
    ),
  }
}

async function* follow(
  deps: Deps,
  caller: Caller,
  requests: AsyncIterable<FollowRequest>,
  signal: AbortSignal,
): AsyncGenerator<Update$Input> {
  const { id, peer } = caller
  if (id === undefined || peer.transport !== 'tls' || peer.svid === undefined) return
  const incoming = requests[Symbol.asyncIterator]()
  const first = await nextRequest(deps.clock, incoming)
  if (first.done === true) return
  const held: Held = { logId: first.value.log_id, applied: Number(first.value.applied) }
  const missed = await readMissed(deps, held)
  // A call that is over does not take the place of the agent's next one.
  if (signal.aborted) return
  // In one turn: a batch between the two would be told to nobody.
  const follower = deps.followers.open(
    id,
    peer.address,
    resumeOf(deps, id, held, missed),
    first.value.instance.slice(0, maxInstanceLength),
  )
  const done = new AbortController()
  const end = (): void => follower.end()
  signal.addEventListener('abort', end, { once: true })
  // The stream ends by the time that the SVID which opened it does: the agent comes back with the next.
  deps.clock.sleep(peer.svid.expiresAt.getTime() - deps.clock.now().getTime(), done.signal).then(
    () =>
      follower.end(
        new CountersignError('unavailable', 'the SVID of this connection has expired', {
          reason: 'svid-expired',
        }),
      ),
    () => {},
  )
  const beating = beat(deps.clock, follower, done.signal)
  const acknowledged = (async () => {
    for (;;) {
      const next = await incoming.next()
      if (next.done === true) break
      follower.acknowledge(Number(next.value.applied))
    }
    follower.end()
  })()
  acknowledged.catch(end)
  try {
    for (;;) {
      const group = await follower.next()
      if (group === undefined) return
      yield* messagesOf(group, deps.changes.logId)
    }
  } finally {
    done.abort()
    signal.removeEventListener('abort', end)
    deps.followers.close(follower)
    await beating
  }
}

function resumeOf(
  deps: Deps,
  id: SpiffeId,
  held: Held,
  missed: readonly Change[],
): ReturnType<typeof resumeFrom> {
  const knowsBundle = (name: TrustDomain): boolean => deps.bundles.bundleOf(name) !== undefined
  return resumeFrom({ ...deps, knowsBundle }, id, held, missed)
}

/** An agent takes a server that says nothing for a minute for dead. */
async function beat(clock: Clock, follower: Follower, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await clock.sleep(beatMs, signal)
      follower.beat()
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** The lines of the log after what the agent holds, and one more than it may be told; none where it begins anew. */
async function readMissed(deps: Deps, held: Held): Promise<readonly Change[]> {
  return isOfThisLog(deps, held) ? readChanges(deps.store.db, held.applied, maxMissed + 1) : []
}

/** The group in messages of bounded size; `more` on all but the last. */
function* messagesOf(group: FollowerGroup, logId: string): Generator<Update$Input> {
  const base = { log_id: logId, position: group.position, snapshot: group.snapshot }
  const chunks = chunksOf(group)
  let chunk = chunks.next()
  while (!chunk.done) {
    const next = chunks.next()
    yield { ...base, ...chunk.value, more: !next.done }
    chunk = next
  }
}

/** Each is made when the one before is on its way: nobody else waits for all of them. */
function* chunksOf(group: FollowerGroup): Generator<Update$Input, void, void> {
  const entries: Entry$Input[] = []
  const removed: string[] = []
  let rest: Update$Input = {
    bundles: group.bundles.map(bundleToWire),
    removed_trust_domains: [...group.removedTrustDomains],
  }
  let size = 0
  for (const item of [...group.entries, ...group.removedEntryIds]) {
    const bytes = typeof item === 'string' ? item.length + 4 : roughSize(item)
    if (size + bytes > chunkBytes) {
      yield { ...rest, entries: entries.splice(0), removed_entry_ids: removed.splice(0) }
      rest = {}
      size = 0
    }
    size += bytes
    if (typeof item === 'string') removed.push(item)
    else entries.push(entryToWire(item))
  }
  yield { ...rest, entries, removed_entry_ids: removed }
}

function roughSize(entry: Entry): number {
  const texts = [
    entry.id,
    entry.spiffeId,
    entry.parentId,
    entry.hint,
    ...entry.dnsNames,
    ...entry.federatesWith,
    ...entry.selectors.flatMap(({ type, value }) => [type, value]),
  ]
  return texts.reduce((sum, text) => sum + text.length + 8, 64)
}

import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { FollowRequest } from '../../src/rpc/gen/countersign/sync/v1/FollowRequest.ts'
import type { GoodFrom$Input } from '../../src/rpc/gen/countersign/sync/v1/GoodFrom.ts'
import type { Update$Input } from '../../src/rpc/gen/countersign/sync/v1/Update.ts'
import { bidiStream, type RpcHandler } from '../../src/rpc/handler.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Caller } from '../access/caller.ts'
import { backdateSeconds } from '../ca/rotation.ts'
import type { Follower } from '../entry/follower.ts'
import { type Held, isOfThisLog, maxMissed, resumeFrom } from '../entry/resume.ts'
import { svidsEndedUntil } from '../revocation/svid-status.ts'
import { type Change, readChanges } from '../store/changes.ts'
import type { ApiDeps } from './deps.ts'
import { nextRequest } from './next-request.ts'
import { messagesOf } from './sync-messages.ts'

const beatMs = 15_000
const maxInstanceLength = 64

type Deps = Pick<
  ApiDeps,
  'trustDomain' | 'store' | 'changes' | 'index' | 'followers' | 'bundles' | 'revocations' | 'clock'
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
      yield* messagesOf(group, deps.changes.logId, (entry) => goodFromOf(deps, entry))
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

/** More entries of one ID than are looked at of a client. */
const maxOfOneId = 17

/** Since when SVIDs of this entry are good again, where a revocation has ended those of before. */
function goodFromOf({ index, revocations }: Deps, entry: Entry): GoodFrom$Input | undefined {
  if (revocations.size === 0) return undefined
  const { id, spiffeId } = entry
  const sharing = index.ofId(spiffeId, maxOfOneId)
  const until = svidsEndedUntil(revocations, spiffeId, sharing)
  if (until === undefined) return undefined
  const good = until + 1
  return { entry_id: id, x509_not_before: good - backdateSeconds, jwt_issued_at: good }
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

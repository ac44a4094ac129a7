import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { bundleToWire, entryToWire } from '../../src/rpc/convert.ts'
import type { FollowRequest } from '../../src/rpc/gen/countersign/sync/v1/FollowRequest.ts'
import type { Update$Input } from '../../src/rpc/gen/countersign/sync/v1/Update.ts'
import { bidiStream, type RpcHandler } from '../../src/rpc/server.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { serverId } from '../../src/spiffe-id/reserved.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Caller } from '../access/caller.ts'
import type { Follower, FollowerGroup } from '../entry/follower.ts'
import type { Resume } from '../entry/followers.ts'
import { readChanges } from '../store/changes.ts'
import type { ApiDeps } from './deps.ts'

const beatMs = 15_000
/** More than this many missed changes are told by a snapshot. */
const maxMissed = 5000
/** Of one message, roughly; the wire takes four times as much. */
const chunkBytes = 1 << 20

type Deps = Pick<ApiDeps, 'trustDomain' | 'store' | 'changes' | 'index' | 'followers' | 'clock'>

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
  const first = await incoming.next()
  if (first.done === true) return
  const resume = await resumeFrom(deps, id, first.value)
  const follower = deps.followers.open(id, peer.address, resume)
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

/**
 * What the agent has missed. Only creations are told one by one: what an entry was before it changed
 * or went is not known any more, so that everything else is a snapshot of the agent's own entries.
 */
async function resumeFrom(deps: Deps, agentId: SpiffeId, request: FollowRequest): Promise<Resume> {
  const applied = Number(request.applied)
  const snapshot: Resume = { from: 'snapshot' }
  const { logId, position } = deps.changes
  if (request.log_id !== logId || applied < 1 || applied > position) return snapshot
  if (applied === position) return { from: 'position', applied, missed: [] }
  const changes = await readChanges(deps.store.db, applied, maxMissed + 1)
  if (changes[0]?.number !== applied + 1 || changes.length > maxMissed) return snapshot
  const missed: Entry[] = []
  for (const { kind, ref } of changes) {
    if (kind === 'agent' && ref === agentId) return snapshot
    if (kind !== 'entry') continue
    const entry = deps.index.get(ref)
    if (entry === undefined || entry.revision > 0 || movesOthers(deps, entry)) return snapshot
    const authorised = deps.index.isAuthorised(agentId, ref)
    if (authorised !== undefined) missed.push(authorised)
  }
  return { from: 'position', applied, missed }
}

/** A new alias, or a new entry above others: it may have given the agent more than itself. */
function movesOthers(deps: Deps, entry: Entry): boolean {
  return (
    entry.parentId === serverId(deps.trustDomain) ||
    deps.index.count({ parentId: entry.spiffeId }) > 0
  )
}

/** The group in messages of bounded size; `more` on all but the last. */
function* messagesOf(group: FollowerGroup, logId: string): Generator<Update$Input> {
  const base = { log_id: logId, position: group.position, snapshot: group.snapshot }
  const chunks = chunksOf(group)
  for (const [at, chunk] of chunks.entries()) {
    yield { ...base, ...chunk, more: at < chunks.length - 1 }
  }
}

function chunksOf(group: FollowerGroup): Update$Input[] {
  const chunks: Update$Input[] = [
    {
      bundles: group.bundles.map(bundleToWire),
      removed_trust_domains: [...group.removedTrustDomains],
      removed_entry_ids: [],
      entries: [],
    },
  ]
  let size = 0
  const chunkFor = (bytes: number): Update$Input => {
    size += bytes
    if (size > chunkBytes) {
      chunks.push({ entries: [], removed_entry_ids: [] })
      size = bytes
    }
    return chunks.at(-1) ?? {}
  }
  for (const entry of group.entries) {
    chunkFor(roughSize(entry)).entries?.push(entryToWire(entry))
  }
  for (const id of group.removedEntryIds) chunkFor(id.length + 4).removed_entry_ids?.push(id)
  return chunks
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

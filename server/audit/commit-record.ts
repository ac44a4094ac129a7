import type { Kysely } from 'kysely'
import type { AuditEvent } from '../../src/audit/event.ts'
import { isCommitted } from '../../src/audit/event.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import {
  lastAuditRecord,
  markRecorded,
  recordedChains,
  recordedUpTo,
} from '../store/audit-records.ts'
import type { Schema } from '../store/schema.ts'
import type { CommitRecord, Store } from '../store/store.ts'
import { loadChainId, renewChainId } from './chain-id.ts'
import type { RecordRange, Trail } from './trail.ts'
import { TrailReader } from './trail-reader.ts'

export interface CommitRecorder {
  /** For `StoreOptions.beforeCommit`. Throws as `Trail.append`. */
  beforeCommit(events: readonly AuditEvent[], db: Kysely<Schema>): Promise<CommitRecord>
}

/**
 * A change is on record before it is committed. Where the commit then fails, a record says which
 * records name changes that were not kept; before that is written, nothing else is committed.
 */
export function createCommitRecorder(
  trail: Trail,
  chain: string,
  clock: Pick<Clock, 'now'>,
): CommitRecorder {
  let unsaid: AuditEvent[] = []
  const flush = async (more: readonly AuditEvent[]): Promise<RecordRange> => {
    const said = unsaid
    const range = await trail.append([...said, ...more])
    unsaid = unsaid.slice(said.length)
    return { first: range.first + said.length, last: range.last }
  }
  return {
    async beforeCommit(events, db) {
      if (events.length === 0 && unsaid.length === 0) return { failed: async () => {} }
      const range = await flush(events)
      const failed = async (): Promise<void> => {
        if (events.length === 0) return
        unsaid.push(failedCommit(range, 'commit-failed', clock.now()))
        // The disk may be full: then it is written before the next commit, or at the next start.
        await flush([]).catch(() => {})
      }
      try {
        await markRecorded({ db }, chain, range.last)
      } catch (error) {
        await failed()
        throw error
      }
      return { failed }
    },
  }
}

function failedCommit(range: RecordRange, reason: string, time: Date): AuditEvent {
  return {
    kind: 'commit.failed',
    time,
    actor: { kind: 'server' },
    decision: 'deny',
    reason,
    details: { first: range.first, last: range.last },
  }
}

/** The name of this server's chain, and where it is known to agree with the store. */
export interface OpenChain {
  readonly id: string
  /** The last record that the store agrees with; undefined: it knows nothing of the chain. */
  readonly recordedUpTo: number | undefined
  /** Names of the chains that the store knows instead, where this one is new to it. */
  readonly before: readonly string[]
}

const maxNamed = 8

/**
 * Finds out which chain of the store this trail is; one that was begun anew gets a name of its own, and it is told which
 * were there before: whoever has taken those away did it to hide what they had.
 */
export async function openChain(deps: {
  readonly path: string
  readonly trail: Trail
  readonly db: Kysely<Schema>
  readonly log: Log
}): Promise<OpenChain> {
  const id = await loadChainId(deps.path)
  const marked = await recordedUpTo(deps.db, id)
  const copied = (await lastAuditRecord(deps.db, id))?.number ?? 0
  const known = marked === undefined ? undefined : Math.max(marked, copied)
  const { number } = deps.trail.head()
  const isShort = Math.max(known ?? 0, copied) > number
  if (known !== undefined && !isShort) return { id, recordedUpTo: known, before: [] }
  const others = (await recordedChains(deps.db)).filter((one) => one !== id)
  const before = [...(isShort ? [id] : []), ...others].slice(0, maxNamed)
  if (before.length > 0) {
    deps.log.error('the audit trail is not the one that the store knows', {
      ...{ path: deps.path, records: number, before },
      ...(isShort && { known: Math.max(known ?? 0, copied) }),
      fix: `keep what the store (table audit_records) and the sinks have of it, and find out who has changed ${deps.path} and ${deps.path}.id; where you began it anew yourself, name the one before to "audit verify" by --other-chain`,
    })
  }
  return { id: isShort ? await renewChainId(deps.path) : id, recordedUpTo: undefined, before }
}

function begunAnew({ id, before }: OpenChain, time: Date): AuditEvent {
  return {
    ...{ kind: 'trail.begun', time, actor: { kind: 'server' }, decision: 'deny' },
    ...{ reason: 'trail-replaced', details: { chain: id, before: before.join(' ') } },
  }
}

const scanLines = 4096

/**
 * At a start: records after the mark that the store keeps were written for a commit that never came,
 * or the store was restored from a backup. Puts on record which these are.
 */
export async function settleRecords(deps: {
  readonly path: string
  readonly trail: Trail
  readonly chain: OpenChain
  readonly store: Store
  readonly clock: Pick<Clock, 'now'>
  readonly log: Log
}): Promise<void> {
  const { trail, chain, log } = deps
  if (chain.before.length > 0) await trail.append([begunAnew(chain, deps.clock.now())])
  const ranges =
    chain.recordedUpTo === undefined ? [] : await changesAfter(deps.path, trail, chain.recordedUpTo)
  if (ranges.length > 0) {
    log.warn('the store does not have all that is on record', {
      first: ranges[0]?.first,
      last: ranges.at(-1)?.last,
    })
  }
  const events = ranges.map((range) => failedCommit(range, 'not-in-store', deps.clock.now()))
  for (let at = 0; at < events.length; at += scanLines) {
    await trail.append(events.slice(at, at + scanLines))
  }
  const { number } = trail.head()
  if (number !== chain.recordedUpTo) {
    await deps.store.write((tx) => markRecorded(tx, chain.id, number))
  }
}

async function changesAfter(path: string, trail: Trail, from: number): Promise<RecordRange[]> {
  const ranges: { first: number; last: number }[] = []
  const reader = new TrailReader(path)
  try {
    const upTo = trail.head().number
    for (let at = from; at < upTo; ) {
      const lines = await reader.read(at, upTo, scanLines)
      const last = lines.at(-1)
      if (last === undefined) break
      for (const { head, text } of lines) {
        if (!maybeCommitted(text)) continue
        const before = ranges.at(-1)
        if (before?.last === head.number - 1) before.last = head.number
        else ranges.push({ first: head.number, last: head.number })
      }
      at = last.head.number
    }
    return ranges
  } finally {
    await reader[Symbol.asyncDispose]()
  }
}

/** A line that somebody, or the disk, has changed may have been of a change. */
function maybeCommitted(text: string): boolean {
  let record: Parameters<typeof isCommitted>[0]
  try {
    record = JSON.parse(text)
  } catch {
    return true
  }
  return isCommitted(record)
}

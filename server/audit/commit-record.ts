import type { Kysely } from 'kysely'
import type { AuditEvent } from '../../src/audit/event.ts'
import { isCommitted } from '../../src/audit/event.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { lastAuditRecord, markRecorded, recordedUpTo } from '../store/audit-records.ts'
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
}

/** Finds out which chain of the store this trail is; one that was begun anew gets a name of its own. */
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
  if (Math.max(known ?? 0, copied) <= number) return { id, recordedUpTo: known }
  deps.log.error('the audit trail has fewer records than the store knows of', {
    path: deps.path,
    records: number,
    known: Math.max(known ?? 0, copied),
  })
  return { id: await renewChainId(deps.path), recordedUpTo: undefined }
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

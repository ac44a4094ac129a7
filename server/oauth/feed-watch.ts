import type { AuditEvent } from '../../src/audit/event.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Changes } from '../changes/changes.ts'
import type { Acknowledgements, StreamStanding } from '../revocation/acknowledgements.ts'
import type { OauthSettings } from './settings.ts'

export interface FeedWatchDeps {
  readonly settings: Pick<OauthSettings, 'resources' | 'canary'>
  readonly acknowledgements: Pick<Acknowledgements, 'note' | 'standings'>
  readonly changes: Pick<Changes, 'subscribe'>
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
  readonly observeReaders: (
    resource: string,
    readers: number,
    unacknowledged: number,
    alarmed: boolean,
  ) => void
  readonly clock: Clock
  readonly log: Log
}

const lookMs = 250
/** Readers take their time to say so, and not all at once. */
const leastMs = 1000

/** Of those who serve a resource. */
interface Readers {
  readers: number
  /** What the last of them lacks. */
  unacknowledged: number
  late: StreamStanding[]
}

/** Of those who were late as an alarm began, or since. */
interface Alarm {
  late: readonly StreamStanding[]
  /** Whether one of them has left before it was not late any more. */
  left: boolean
}

/**
 * Looks again and again, until the signal aborts, whether those who read the feed acknowledge what they are told. Where one
 * does not, that is an alarm for the resources that it serves, once as it begins and once as it ends: the log names it.
 */
export async function runFeedWatch(deps: FeedWatchDeps, signal: AbortSignal): Promise<void> {
  const { settings, acknowledgements, changes, observeReaders, clock } = deps
  const alarmAfterMs = Math.max(leastMs, settings.canary.alarmAfterSeconds * 1000)
  const servedBy = resourcesById(settings)
  const alarms = new Map<string, Alarm>()
  const stopNoting = changes.subscribe(({ facts }) => acknowledgements.note(facts))
  try {
    while (!signal.aborted) {
      await clock.sleep(lookMs, signal)
      const standings = acknowledgements.standings()
      const found = byResource(standings, servedBy, alarmAfterMs)
      for (const [resource, readers] of found) {
        const { late } = readers
        const isLate = late.length > 0
        observeReaders(resource, readers.readers, readers.unacknowledged, isLate)
        const before = alarms.get(resource)
        const left = before !== undefined && (before.left || !areThere(before.late, standings))
        if (isLate) alarms.set(resource, { late, left })
        else alarms.delete(resource)
        if (isLate && before === undefined) await tellAlarm(resource, late, deps)
        if (!isLate && before !== undefined) await tellRecovery(resource, left, deps)
      }
    }
  } finally {
    stopNoting()
  }
}

/** The resources that an ID serves. */
function resourcesById({ resources }: FeedWatchDeps['settings']): ReadonlyMap<SpiffeId, string[]> {
  const byId = new Map<SpiffeId, string[]>()
  for (const { id, servedBy } of resources.values()) {
    for (const spiffeId of servedBy) byId.set(spiffeId, [...(byId.get(spiffeId) ?? []), id])
  }
  return byId
}

/** Those without a reader too. */
function byResource(
  standings: readonly StreamStanding[],
  servedBy: ReadonlyMap<SpiffeId, readonly string[]>,
  alarmAfterMs: number,
): ReadonlyMap<string, Readers> {
  const found = new Map<string, Readers>()
  for (const resource of [...servedBy.values()].flat()) {
    found.set(resource, { readers: 0, unacknowledged: 0, late: [] })
  }
  for (const standing of standings) {
    const { spiffeId, unacknowledged, owesMs } = standing
    for (const resource of servedBy.get(spiffeId) ?? []) {
      const readers = found.get(resource)
      if (readers === undefined) continue
      readers.readers += 1
      readers.unacknowledged = Math.max(readers.unacknowledged, unacknowledged)
      if (owesMs > alarmAfterMs) readers.late.push(standing)
    }
  }
  return found
}

/** Whether these connections are all among those that there are. */
function areThere(some: readonly StreamStanding[], standings: readonly StreamStanding[]): boolean {
  const there = new Set(standings.map(keyOf))
  return some.every((one) => there.has(keyOf(one)))
}

function keyOf({ spiffeId, nonce }: StreamStanding): string {
  return `${spiffeId} ${nonce}`
}

async function tellAlarm(
  resource: string,
  late: readonly StreamStanding[],
  deps: FeedWatchDeps,
): Promise<void> {
  const spiffeId = late.at(-1)?.spiffeId
  const readers = late.length
  deps.log.error('a reader of the feed does not acknowledge what was revoked', {
    ...{ resource, readers, spiffeId },
  })
  await record(deps, {
    ...{ kind: 'feed.alarmed', decision: 'deny', reason: 'not-acknowledged' },
    ...{ spiffeId, audience: [resource], details: { readers } },
  })
}

async function tellRecovery(resource: string, left: boolean, deps: FeedWatchDeps): Promise<void> {
  const what = left ? 'a late reader of the feed is gone' : 'what was told is acknowledged'
  deps.log.info(`no reader of the feed is late any more: ${what}`, { resource })
  await record(deps, {
    ...{ kind: 'feed.recovered', decision: 'allow' },
    ...{ reason: left ? 'reader-gone' : 'acknowledged' },
    ...{ audience: [resource], details: { readers: 0 } },
  })
}

async function record(
  { append, clock, log }: FeedWatchDeps,
  event: Omit<AuditEvent, 'time' | 'actor'>,
): Promise<void> {
  const whole: AuditEvent = { ...event, time: clock.now(), actor: { kind: 'server' } }
  // The log has it.
  await append([whole]).catch((error: unknown) => log.error('an alarm is not on record', { error }))
}

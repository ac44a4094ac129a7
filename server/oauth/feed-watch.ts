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
  late: number
  latest: SpiffeId | undefined
}

/**
 * Looks again and again, until the signal aborts, whether those who read the feed acknowledge what they are told. Where one
 * does not, that is an alarm for the resources that it serves, once as it begins and once as it ends: the log names it.
 */
export async function runFeedWatch(deps: FeedWatchDeps, signal: AbortSignal): Promise<void> {
  const { settings, acknowledgements, changes, observeReaders, clock } = deps
  const alarmAfterMs = Math.max(leastMs, settings.canary.alarmAfterSeconds * 1000)
  const servedBy = resourcesById(settings)
  const alarmed = new Set<string>()
  const stopNoting = changes.subscribe(({ facts }) => acknowledgements.note(facts))
  try {
    while (!signal.aborted) {
      await clock.sleep(lookMs, signal)
      const found = byResource(acknowledgements.standings(), servedBy, alarmAfterMs)
      for (const [resource, readers] of found) {
        const isLate = readers.late > 0
        observeReaders(resource, readers.readers, readers.unacknowledged, isLate)
        if (isLate === alarmed.has(resource)) continue
        if (isLate) alarmed.add(resource)
        else alarmed.delete(resource)
        await tell(resource, readers, deps)
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
    found.set(resource, { readers: 0, unacknowledged: 0, late: 0, latest: undefined })
  }
  for (const { spiffeId, unacknowledged, owesMs } of standings) {
    for (const resource of servedBy.get(spiffeId) ?? []) {
      const readers = found.get(resource)
      if (readers === undefined) continue
      readers.readers += 1
      readers.unacknowledged = Math.max(readers.unacknowledged, unacknowledged)
      if (owesMs <= alarmAfterMs) continue
      readers.late += 1
      readers.latest = spiffeId
    }
  }
  return found
}

async function tell(
  resource: string,
  { late, latest }: Readers,
  { append, clock, log }: FeedWatchDeps,
): Promise<void> {
  const fields = { resource, readers: late, spiffeId: latest }
  if (late === 0) log.info('readers of the feed acknowledge what they are told', fields)
  else log.error('a reader of the feed does not acknowledge what was revoked', fields)
  const event: AuditEvent = {
    kind: late > 0 ? 'feed.alarmed' : 'feed.recovered',
    time: clock.now(),
    actor: { kind: 'server' },
    spiffeId: latest,
    audience: [resource],
    decision: late > 0 ? 'deny' : 'allow',
    reason: late > 0 ? 'not-acknowledged' : 'acknowledged',
    details: { readers: late },
  }
  // The log has it.
  await append([event]).catch((error: unknown) => log.error('an alarm is not on record', { error }))
}

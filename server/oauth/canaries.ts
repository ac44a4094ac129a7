import type { AuditEvent } from '../../src/audit/event.ts'
import type { Log } from '../../src/runtime/log.ts'
import { createOutage } from '../../src/runtime/outage.ts'
import { aborted, runTogether } from '../../src/runtime/tasks.ts'
import { type Flight, type FlightDeps, flyCanary } from './canary-flight.ts'
import type { Resource } from './resource-settings.ts'
import { selfTestCall } from './self-test-call.ts'
import type { OauthSettings } from './settings.ts'

export interface CanariesDeps extends Omit<FlightDeps, 'issuer' | 'patienceMs'> {
  readonly settings: Pick<OauthSettings, 'issuer' | 'resources' | 'canary'>
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
  /** Of each flight, and whether somebody was told that the service is late. */
  readonly observe: (resource: string, flight: Flight, alarmed: boolean) => void
  readonly log: Log
  readonly random?: () => number
}

/** How long after that a late one is still waited for, so that it is known how late. */
const graceMs = 2000

/**
 * Tries each service that has a self-test, again and again until the signal aborts: how long after its revocation a
 * token is taken still. One that is late, or cannot be tried, is an alarm: in the log, on record and in the metrics, once
 * as it begins and once as it ends. Why one cannot be tried is in the log beside.
 */
export async function runCanaries(deps: CanariesDeps, signal: AbortSignal): Promise<void> {
  const tried = [...deps.settings.resources.values()].filter(isTried)
  if (tried.length === 0) return aborted(signal)
  await runTogether(
    signal,
    ...tried.map((resource) => (until: AbortSignal) => tryService(resource, deps, until)),
  )
}

type Tried = Resource & { readonly selfTest: URL }

function isTried(resource: Resource): resource is Tried {
  return resource.selfTest !== undefined
}

async function tryService(
  { id, selfTest, servedBy }: Tried,
  deps: CanariesDeps,
  signal: AbortSignal,
): Promise<void> {
  const { settings, clock, log, random = Math.random } = deps
  const { issuer } = settings
  const everyMs = settings.canary.everySeconds * 1000
  const alarmAfterMs = settings.canary.alarmAfterSeconds * 1000
  const flightDeps = { ...deps, issuer, patienceMs: alarmAfterMs + graceMs }
  const call = selfTestCall(selfTest, servedBy, deps)
  const outage = createOutage({
    lost: 'a service cannot be tried with a canary',
    back: 'a service is tried with canaries again',
    ...{ clock, log },
  })
  let alarmed = false
  try {
    while (!signal.aborted) {
      // Not all at once, here and on other servers.
      await clock.sleep(everyMs * (0.5 + random()), signal)
      const flight = await flyCanary(id, call, flightDeps, signal)
      if ('error' in flight) {
        outage.failed(flight.error, { resource: id, failure: flight.failure })
      } else outage.over({ resource: id })
      const late = isLate(flight, alarmAfterMs)
      deps.observe(id, flight, late)
      if (late !== alarmed) await tell(id, flight, late, deps)
      alarmed = late
    }
  } finally {
    call.close()
  }
}

function isLate(flight: Flight, alarmAfterMs: number): boolean {
  return 'failure' in flight || flight.refusedAfterMs > alarmAfterMs
}

async function tell(
  resource: string,
  flight: Flight,
  late: boolean,
  { append, clock, log }: CanariesDeps,
): Promise<void> {
  const reason = 'failure' in flight ? flight.failure : late ? 'late' : 'in-time'
  const fields = { resource, reason, ...('refusedAfterMs' in flight && flight) }
  if (late) log.error('a service may take tokens that were revoked', fields)
  else log.info('a service refuses what was revoked in time again', fields)
  const event: AuditEvent = {
    kind: late ? 'canary.alarmed' : 'canary.recovered',
    time: clock.now(),
    actor: { kind: 'server' },
    audience: [resource],
    decision: late ? 'deny' : 'allow',
    reason,
    details:
      'refusedAfterMs' in flight ? { refusedAfterMs: Math.round(flight.refusedAfterMs) } : {},
  }
  // The log has it.
  await append([event]).catch((error: unknown) => log.error('an alarm is not on record', { error }))
}

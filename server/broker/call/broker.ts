import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { asCountersignError, CountersignError } from '../../../src/errors.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { eachMinute } from '../../../src/runtime/each-minute.ts'
import type { Log } from '../../../src/runtime/log.ts'
import type { RefusalRecord } from '../../oauth/refusals.ts'
import type { Peer } from '../caller.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { BrokerMetrics } from '../metrics.ts'
import { type Answered, forward, type Outgoing } from '../vendor/forward.ts'
import { headersForVendor } from '../vendor/request-headers.ts'
import { type AdmissionDeps, type Admitted, admit, checkAgain } from './admission.ts'
import { exchangeKeys } from './exchange-keys.ts'
import { calledEvent, deniedEvent, failedEvent, type Known } from './record.ts'
import { refusalFor } from './refusal.ts'

export interface BrokerDeps
  extends Pick<AdmissionDeps, 'origin' | 'routes' | 'elsewhere' | 'policies' | 'checkStanding'> {
  readonly credentials: Credentials
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
  readonly refusals: RefusalRecord
  readonly metrics: BrokerMetrics
  readonly clock: Clock
  readonly log: Log
}

interface VendorTrouble {
  readonly what: string
  readonly integration: string
  readonly key?: 'current' | 'previous'
  readonly error?: CountersignError
}

/** Takes one request from whoever TLS says sent it, to its end. */
export type Serve = (
  request: IncomingMessage,
  response: ServerResponse,
  from: { readonly peer: Peer | undefined; readonly address: string },
) => Promise<void>

/** Decides each call, records it, sends it with the vendor's key, and hands back the answer without it. */
export function createBroker(deps: BrokerDeps): Serve {
  const { clock, credentials, metrics, log } = deps
  const admission: AdmissionDeps = {
    ...deps,
    record: credentials.record,
    now: () => clock.now(),
  }

  // Each is counted; a caller who has it happen with each call fills no disk.
  const warn = eachMinute(
    clock,
    ({ what, integration, key, error }: VendorTrouble) =>
      `${what} ${integration} ${key ?? error?.reason}`,
    ({ what, ...fields }) => log.warn(what, fields),
  )
  const onFallback = (integration: string, key: 'current' | 'previous'): void => {
    if (key === 'previous') credentials.used(integration, key)
    metrics.fellBack(integration)
    warn({ what: 'a vendor refused a key, and is called with another', integration, key })
  }
  const call = async (
    admitted: Admitted,
    request: IncomingMessage,
    response: ServerResponse,
    known: Known,
  ): Promise<Answered> => {
    const { route } = admitted
    const { integration } = route
    const check = (): void => checkAgain(admitted, known, admission)
    const asked = { caller: admitted.caller, check }
    const under = route.calls.begin(asked, response, integration.limits)
    try {
      await deps.append([calledEvent(known, clock.now())]).catch(unrecorded)
      // It may have been shut, or the caller have left, while the record was written, or the key have grown too old.
      under.signal.throwIfAborted()
      deps.checkStanding(integration, admitted.caller)
      check()
      credentials.used(integration.id, 'current')
      known.sent = true
      if (request.headers.expect !== undefined) response.writeContinue()
      const keys = exchangeKeys(route, {
        ...{ routes: deps.routes, record: credentials.record, clock },
        onFallback: (key) => onFallback(integration.id, key),
      })
      const exchange = { ...under, integration, agent: route.agent, keys }
      return await forward(outgoingOf(admitted, request), exchange, request, response)
    } finally {
      under.end()
    }
  }
  const note = async (failure: CountersignError, known: Known): Promise<void> => {
    const now = clock.now()
    // Of what was sent each end is on record, as each beginning is; of refusals there may be a flood.
    const noted = known.sent
      ? deps.append([failedEvent(known, failure, now)])
      : deps.refusals.note(deniedEvent(known, failure, now))
    await noted.catch((error: unknown) => log.error('how a call ended is not on record', { error }))
  }
  return async (request, response, { peer, address }) => {
    const startedMs = clock.monotonicMs()
    const known: Known = { address, peer: peer?.spiffeId }
    let outcome: string
    try {
      const admitted = await admit(request, peer, known, admission)
      const { status, scrubbed } = await call(admitted, request, response, known)
      const { id } = admitted.route.integration
      if (scrubbed > 0) {
        metrics.scrubbed(id, scrubbed)
        warn({ what: 'a vendor repeated its key', integration: id })
      }
      outcome = `${Math.floor(status / 100)}xx`
    } catch (error) {
      const failure = asCountersignError(error)
      outcome = failure.reason
      if (failure.code === 'internal') log.error('a call failed', { error })
      const { integration } = known
      // Callers get no more than the reason: what the network said is for the operator.
      if (integration !== undefined && failure.reason.startsWith('vendor-')) {
        const { id } = integration
        warn({ what: 'a vendor cannot be called', integration: id, error: failure })
      }
      // What has begun is cut off at once; else the refusal is on record before it leaves.
      if (response.headersSent) response.destroy()
      await note(failure, known)
      refuse(request, response, failure)
    }
    metrics.call(known.integration?.id, outcome, clock.monotonicMs() - startedMs)
  }
}

/** Why the trail cannot be written is nothing for callers. */
function unrecorded(cause: unknown): never {
  throw new CountersignError('unavailable', 'the call cannot be put on record', {
    reason: 'audit-unwritable',
    retryAfterMs: 1000,
    cause,
  })
}

/** The call as the vendor gets it, but for the key: what was decided on. */
function outgoingOf(
  { route, caller, method, target, framing }: Admitted,
  request: IncomingMessage,
): Outgoing {
  const { integration } = route
  return {
    caller: caller.spiffeId,
    upstream: integration.upstream,
    method,
    path: target.path,
    query: target.query,
    headers: headersForVendor(request.rawHeaders, integration.requestHeaders),
    framing,
  }
}

/** Of an answer that has begun the rest is cut off; a body that was not read to its end ends the connection. */
function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  failure: CountersignError,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const { status, headers, body } = refusalFor(failure)
  const close = failure.code === 'invalid' || !request.complete
  response.writeHead(status, { ...headers, ...(close && { connection: 'close' }) }).end(body)
}

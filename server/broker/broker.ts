import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AuditEvent } from '../../src/audit/event.ts'
import { asCountersignError, CountersignError } from '../../src/errors.ts'
import type { Decision, VendorQuestion } from '../../src/policy/question.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { RefusalRecord } from '../oauth/refusals.ts'
import { checkCall, checkOpen, questionOf } from './admission.ts'
import { type Caller, identify, type Peer } from './caller.ts'
import type { Credentials } from './credentials.ts'
import { beginCall } from './deadlines.ts'
import { forward } from './forward.ts'
import type { BrokerMetrics } from './metrics.ts'
import { calledEvent, deniedEvent, type Known } from './record.ts'
import { refusalFor } from './refusal.ts'
import { checkHead, headersForVendor, valuesOf } from './request-headers.ts'
import type { Route } from './routes.ts'
import { readTarget } from './target.ts'

export interface BrokerDeps {
  readonly origin: string
  /** Those in force now. */
  readonly routes: () => ReadonlyMap<string, Route>
  readonly policies: { decide(question: VendorQuestion): Decision; readonly revision: string }
  readonly credentials: Credentials
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
  readonly refusals: RefusalRecord
  readonly metrics: BrokerMetrics
  readonly clock: Clock
  readonly log: Log
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

  const call = async (
    request: IncomingMessage,
    response: ServerResponse,
    peer: Peer | undefined,
    known: Known,
  ): Promise<string> => {
    const { method = '', rawHeaders } = request
    known.method = method
    const [trace] = valuesOf(rawHeaders, 'traceparent')
    if (trace !== undefined) known.trace = trace
    const target = readTarget(request.url ?? '', deps.origin)
    known.path = target.path
    const route = deps.routes().get(target.integration)
    if (route === undefined) throw unknownIntegration()
    const { integration } = route
    known.integration = integration
    const { limits } = integration
    const host = new URL(deps.origin).host
    const { httpVersion } = request
    const framing = checkHead({ httpVersion, method, rawHeaders }, host, limits.requestBytes)
    const { verifier } = route
    const caller = await identify(request, peer, { verifier, svidAlone: integration.svidAlone })
    known.caller = caller
    checkOpen(integration, credentials.record(integration.id), clock.now())
    checkCall(integration, method, target)
    spend(route, caller)
    const { address } = known
    const decision = deps.policies.decide(
      questionOf(integration, caller, { method, path: target.path, address }),
    )
    known.policies = decision.policies
    known.revision = deps.policies.revision
    if (!decision.allowed) {
      throw new CountersignError(
        'forbidden',
        'the policy does not let this workload make this call',
        {
          reason: decision.reason,
        },
      )
    }
    const under = beginCall(route, response, clock)
    try {
      await deps.append([calledEvent(known, clock.now())])
      // It may have been shut, or the caller have left, while the record was written.
      under.signal.throwIfAborted()
      checkOpen(integration, credentials.record(integration.id), clock.now())
      credentials.used(integration.id)
      if (request.headers.expect !== undefined) response.writeContinue()
      const { query, headers } = route.key.inject({
        query: target.query,
        headers: headersForVendor(rawHeaders, integration.requestHeaders),
      })
      const outgoing = {
        upstream: integration.upstream,
        method,
        target: `${target.path}${query}`,
        headers,
        framing,
      }
      const { agent, key } = route
      const exchange = { agent, limits, forms: key.forms, moved: under.moved, signal: under.signal }
      const { status, scrubbed } = await forward(outgoing, exchange, request, response)
      if (scrubbed > 0) {
        metrics.scrubbed(integration.id, scrubbed)
        log.warn('a vendor repeated its key', { integration: integration.id, times: scrubbed })
      }
      return `${Math.floor(status / 100)}xx`
    } finally {
      under.end()
    }
  }

  return async (request, response, { peer, address }) => {
    const startedMs = clock.monotonicMs()
    const known: Known = { address, peer: peer?.spiffeId }
    let outcome: string
    try {
      outcome = await call(request, response, peer, known)
    } catch (error) {
      const failure = asCountersignError(error)
      outcome = failure.reason
      if (failure.code === 'internal') log.error('a call failed', { error })
      await refuse(request, response, failure)
      await deps.refusals
        .note(deniedEvent(known, failure, clock.now()))
        .catch((cause: unknown) => log.error('a refusal is not on record', { error: cause }))
    }
    metrics.call(known.integration?.id, outcome, clock.monotonicMs() - startedMs)
  }
}

/** Of an answer that has begun the rest is cut off; a body that was not read to its end ends the connection. */
async function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  failure: CountersignError,
): Promise<void> {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const { status, headers, body } = refusalFor(failure)
  const close = failure.code === 'invalid' || !request.complete
  response.writeHead(status, { ...headers, ...(close && { connection: 'close' }) }).end(body)
}

function spend({ callers, all }: Route, { spiffeId }: Caller): void {
  callers.take(spiffeId)
  all.take('')
}

function unknownIntegration(): CountersignError {
  return new CountersignError('not-found', 'there is no such integration', {
    reason: 'integration-unknown',
  })
}

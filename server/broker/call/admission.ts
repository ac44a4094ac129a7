import type { IncomingMessage } from 'node:http'
import { CountersignError } from '../../../src/errors.ts'
import type { Decision, VendorQuestion } from '../../../src/policy/question.ts'
import { matchesPath } from '../../../src/request-target/path-pattern.ts'
import type { Verifier } from '../../../src/resource-server/verifier.ts'
import { type Caller, checkShown, identify, type Peer } from '../caller.ts'
import type { CredentialRecord } from '../keys/credential-file.ts'
import { isClosed } from '../keys/credentials.ts'
import type { Route } from '../routes/routes.ts'
import type { Integration } from '../settings.ts'
import { type BodyFraming, checkHead, checkLength, valuesOf } from '../vendor/request-headers.ts'
import { readsAs } from './query.ts'
import type { Known } from './record.ts'
import { readTarget, type Target } from './target.ts'

/** A call that may be made. */
export interface Admitted {
  readonly route: Route
  readonly caller: Caller
  readonly method: string
  readonly target: Target
  readonly framing: BodyFraming
}

export interface AdmissionDeps {
  readonly origin: string
  readonly routes: () => ReadonlyMap<string, Route>
  /** Of tokens for no integration: by it strangers are refused where there is none. */
  readonly elsewhere: Verifier
  readonly policies: { decide(question: VendorQuestion): Decision; readonly revision: string }
  readonly record: (integration: string) => CredentialRecord | undefined
  /** Throws where a revocation stands against the integration, or the caller. */
  readonly checkStanding: (integration: Integration, caller: Caller) => void
  readonly now: () => Date
}

/**
 * Decides whether the call may be made, on the one form of it that will be sent. What comes to light on the way goes
 * into `known`. Rejects as `readTarget`, `checkHead`, `identify`, `checkLength`, `checkStanding`, `checkOpen` do, with
 * `not-found` `integration-unknown`, `forbidden` (`method-not-allowed`, `path-not-allowed`, `parameter-not-allowed`, `query-credential`, `policy-…`), `exhausted` `rate-limited`.
 */
export async function admit(
  request: IncomingMessage,
  peer: Peer | undefined,
  known: Known,
  deps: AdmissionDeps,
): Promise<Admitted> {
  const { method = '', rawHeaders, httpVersion } = request
  known.method = method
  // Of two nobody can say which is the caller's.
  const [trace, ...more] = valuesOf(rawHeaders, 'traceparent')
  known.trace = more.length > 0 ? undefined : trace
  const target = readTarget(request.url ?? '', deps.origin)
  known.path = target.path
  const route = deps.routes().get(target.integration)
  known.integration = route?.integration
  const framing = checkHead({ httpVersion, method, rawHeaders }, new URL(deps.origin).host)
  if (route === undefined) {
    // Strangers are not told which integrations there are: they are refused as by any other.
    const options = { verifier: deps.elsewhere, svidAlone: false }
    if (peer?.holds() !== true) await identify(request, peer, options)
    throw unknown()
  }
  const { integration, verifier, callers, all } = route
  const caller = await identify(request, peer, { verifier, svidAlone: integration.svidAlone })
  known.caller = caller
  checkLength(framing, integration.limits.requestBytes)
  deps.checkStanding(integration, caller)
  checkOpen(integration, deps.record(integration.id), deps.now())
  checkCall(integration, method, target)
  callers.take(caller.spiffeId)
  const decision = deps.policies.decide(questionOf(integration, caller, method, target, known))
  known.policies = decision.policies
  known.revision = deps.policies.revision
  checkDecision(decision)
  // Last, so that nobody who may not call takes of what those have together who may.
  all.take('')
  return { route, caller, method, target, framing }
}

/**
 * Whether a call that was admitted could be so now, by what its integration and the policies say by now; what was revoked
 * is `checkStanding`'s, and rates were taken. Throws as `checkShown`, and as `admit`.
 */
export function checkAgain(
  { route, caller, method, target }: Admitted,
  known: Known,
  deps: Pick<AdmissionDeps, 'routes' | 'policies' | 'record' | 'now'>,
): void {
  const { id } = route.integration
  const integration = deps.routes().get(id)?.integration
  if (integration === undefined) throw unknown()
  checkShown(caller, integration)
  checkOpen(integration, deps.record(id), deps.now())
  checkCall(integration, method, target)
  checkDecision(deps.policies.decide(questionOf(integration, caller, method, target, known)))
}

function checkDecision({ allowed, reason }: Decision): void {
  if (!allowed) refuse(reason, 'no policy lets this workload make this call')
}

/**
 * Whether the integration may be used at all now. Throws `forbidden`: `integration-disabled`, `integration-closed`,
 * `credential-old`.
 */
export function checkOpen(
  integration: Pick<Integration, 'id' | 'disabled' | 'maxAgeSeconds' | 'reopenedAt'>,
  record: CredentialRecord | undefined,
  now: Date,
): void {
  const { id, disabled, maxAgeSeconds, reopenedAt } = integration
  if (disabled) refuse('integration-disabled', `the integration ${id} is disabled`)
  if (isClosed(record, reopenedAt)) {
    refuse('integration-closed', `the integration ${id} has been shut by a revocation`)
  }
  if (isTooOld(record?.since ?? now, maxAgeSeconds, now)) {
    refuse('credential-old', `the key of ${id} is older than it may be`)
  }
}

/** Whether a key that is in use since then is older than it may be. */
export function isTooOld(since: Date, maxAgeSeconds: number | undefined, now: Date): boolean {
  return maxAgeSeconds !== undefined && now.getTime() - since.getTime() > maxAgeSeconds * 1000
}

function checkCall(
  { id, methods, paths, parameters, inject }: Integration,
  method: string,
  { path, parameters: sent }: Target,
): void {
  if (!methods.has(method)) refuse('method-not-allowed', `${id} is not called with this method`)
  if (!paths.some((pattern) => matchesPath(pattern, path))) {
    refuse('path-not-allowed', `this path of ${id} is not called`)
  }
  if (parameters !== undefined && !sent.every((name) => parameters.has(name))) {
    refuse('parameter-not-allowed', `${id} is not called with one of these parameters`)
  }
  if (inject.kind === 'query' && readsAs(sent, inject.name)) {
    refuse('query-credential', `the parameter ${inject.name} is the broker’s`)
  }
}

function questionOf(
  { audience, owner }: Integration,
  { spiffeId, owner: entryOwner, purpose }: Caller,
  method: string,
  { path }: Target,
  { address }: Known,
): VendorQuestion {
  return {
    action: 'callVendor',
    // Neither a token nor an SVID tells the entry's labels.
    entry: { spiffeId, owner: entryOwner, purpose, labels: {} },
    integration: { id: audience, owner },
    method,
    path,
    address,
  }
}

function unknown(): CountersignError {
  return new CountersignError('not-found', 'there is no such integration', {
    reason: 'integration-unknown',
  })
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('forbidden', message, { reason })
}

import type { AuditEvent } from '../../../src/audit/event.ts'
import type { CountersignError } from '../../../src/errors.ts'
import type { HostLookup } from '../../../src/federation/locate.ts'
import { whyOf } from '../../../src/resource-server/jwks.ts'
import type { Revocations } from '../../../src/resource-server/standing-check.ts'
import { createVerifier, type Verifier } from '../../../src/resource-server/verifier.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { eachMinute } from '../../../src/runtime/each-minute.ts'
import type { Log } from '../../../src/runtime/log.ts'
import type { Secret } from '../../../src/runtime/secret.ts'
import { RateLimiter } from '../../access/limits.ts'
import type { BrokerConfig } from '../config.ts'
import type { Credentials, HeldCredential } from '../keys/credentials.ts'
import { takeKeys } from '../keys/key-change.ts'
import { readSecret, type SealingKey } from '../keys/secrets.ts'
import { keysWith, type VendorKeys, vendorKey } from '../keys/vendor-key.ts'
import type { Integration } from '../settings.ts'
import { VendorAgent } from '../vendor/vendor-agent.ts'
import { type Calls, createCalls } from './calls.ts'

/** An integration in use. */
export interface Route {
  readonly integration: Integration
  readonly keys: VendorKeys
  readonly agent: VendorAgent
  readonly verifier: Verifier
  readonly callers: RateLimiter
  readonly all: RateLimiter
  readonly calls: Calls
}

export interface RoutesDeps {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly keys: SealingKey
  readonly credentials: Credentials
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
  readonly jwks: (signal: AbortSignal) => Promise<string>
  /** undefined: none is followed. */
  readonly revocations: Revocations | undefined
  readonly lookup: HostLookup
  readonly clock: Clock
  readonly log: Log
}

/**
 * Makes routes of a configuration: reads each secret, and takes them only where no two are the same. All or none.
 * What is under way by the routes `before` stays in sight of what ends calls. Throws as `readSecret`,
 * `takeKeys` and `VendorAgent`.
 */
export async function openRoutes(
  config: BrokerConfig,
  deps: RoutesDeps,
  before: ReadonlyMap<string, Route> = new Map(),
): Promise<ReadonlyMap<string, Route>> {
  const { clock, log } = deps
  const isKnown = (): boolean => deps.revocations?.fresh() !== false
  const routes = new Map<string, Route>()
  const held: HeldCredential[] = []
  for (const integration of config.integrations) {
    const { id, audience, rate } = integration
    const secret = await readSecret(integration, deps)
    const old = before.get(id)
    const calls = old?.calls
    held.push({ integration, secret })
    routes.set(id, {
      integration,
      keys: keysAfter(old, integration, secret),
      agent: new VendorAgent(integration, deps),
      verifier: createVerifier({
        ...{ issuer: config.issuer, audience, jwks: deps.jwks, clock },
        requireBound: integration.requireBound,
        onTrouble: eachMinute(clock, whyOf, (error) =>
          log.warn('tokens cannot be verified', { integration: id, error }),
        ),
        ...(deps.revocations !== undefined && { revocations: deps.revocations }),
      }),
      callers: new RateLimiter(rate.caller, clock),
      all: new RateLimiter(rate.all, clock),
      calls: calls === undefined || calls.isShut() ? createCalls(id, clock, isKnown) : calls,
    })
  }
  await takeKeys(held, deps)
  return routes
}

/** The keys of an integration that has this secret from now on. What was for one vendor is never sent to another. */
export function keysAfter(
  old: Route | undefined,
  integration: Integration,
  secret: Secret,
): VendorKeys {
  const before =
    old !== undefined && isSameVendor(old.integration, integration) ? old.keys : undefined
  return keysWith(vendorKey(secret, integration.inject), before)
}

export function isSameVendor(
  one: Pick<Integration, 'upstream'>,
  other: Pick<Integration, 'upstream'>,
): boolean {
  return one.upstream.origin === other.upstream.origin
}

/**
 * Lets go of routes that others have taken the place of. Calls of an integration that is not to be used any more are
 * ended; connections of the others serve their calls to the end.
 */
export function retireRoutes(
  old: ReadonlyMap<string, Route>,
  next: ReadonlyMap<string, Route>,
): void {
  for (const [id, { agent, calls }] of old) {
    const after = next.get(id)
    if (after === undefined || after.integration.disabled) calls.shut()
    agent.retire()
  }
}

/** Ends what an integration has under way; `why` as in `Calls`. */
export function shutRoute({ agent, calls }: Route, why?: CountersignError): void {
  calls.shut(why)
  agent.destroy()
}

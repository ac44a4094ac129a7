import type { HostLookup } from '../../src/federation/locate.ts'
import type { Revocations } from '../../src/resource-server/standing-check.ts'
import { createVerifier, type Verifier } from '../../src/resource-server/verifier.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { RateLimiter } from '../access/limits.ts'
import { type Calls, createCalls } from './calls.ts'
import type { BrokerConfig } from './config.ts'
import type { Credentials } from './credentials.ts'
import { readSecret, type SealingKey } from './secrets.ts'
import type { Integration } from './settings.ts'
import { VendorAgent } from './vendor-agent.ts'
import { type VendorKey, vendorKey } from './vendor-key.ts'

/** An integration in use. */
export interface Route {
  readonly integration: Integration
  readonly key: VendorKey
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
  readonly jwks: (signal: AbortSignal) => Promise<string>
  /** undefined: none is followed. */
  readonly revocations: Revocations | undefined
  readonly lookup: HostLookup
  readonly clock: Clock
}

/**
 * Makes routes of a configuration: reads each secret, and takes them only where no two are the same. All or none.
 * What is under way by the routes `before` stays in sight of what ends calls. Throws as `readSecret`,
 * `Credentials.admit` and `VendorAgent`.
 */
export async function openRoutes(
  config: BrokerConfig,
  deps: RoutesDeps,
  before: ReadonlyMap<string, Route> = new Map(),
): Promise<ReadonlyMap<string, Route>> {
  const { clock, credentials } = deps
  const routes = new Map<string, Route>()
  const held = []
  for (const integration of config.integrations) {
    const { id, owner, issuedAt, maxAgeSeconds, audience, rate } = integration
    const secret = await readSecret(integration.secret, id, deps)
    const calls = before.get(id)?.calls
    held.push({ integration: id, owner, secret, issuedAt, maxAgeSeconds })
    routes.set(id, {
      integration,
      key: vendorKey(secret, integration.inject),
      agent: new VendorAgent(integration, deps),
      verifier: createVerifier({
        ...{ issuer: config.issuer, audience, jwks: deps.jwks, clock },
        requireBound: integration.requireBound,
        ...(deps.revocations !== undefined && { revocations: deps.revocations }),
      }),
      callers: new RateLimiter(rate.caller, clock),
      all: new RateLimiter(rate.all, clock),
      calls: calls === undefined || calls.isShut() ? createCalls(id, clock) : calls,
    })
  }
  credentials.admit(held)
  return routes
}

/**
 * Lets go of routes that others have taken the place of. Calls of an integration that is not to be used any more are
 * ended; the others come to their end.
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

/** Ends what an integration has under way. */
export function shutRoute({ agent, calls }: Route): void {
  calls.shut()
  agent.destroy()
}

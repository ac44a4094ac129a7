import type { AuditEvent } from '../../src/audit/event.ts'
import { type HostLookup, systemLookup } from '../../src/federation/locate.ts'
import { createVerifier } from '../../src/resource-server/verifier.ts'
import type { RevocationFeed } from '../../src/revocation/feed-client.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { HostPort } from '../../src/runtime/config-value.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import type { Trail } from '../audit/trail.ts'
import { fileKeyManager, type KeyManager } from '../ca/key-manager.ts'
import { createRefusalRecord, type RefusalRecord } from '../oauth/refusals.ts'
import { openPolicies, type Policies } from '../policy/policies.ts'
import { folderSource } from '../policy/policy-source.ts'
import { createBroker, type Serve } from './call/broker.ts'
import type { BrokerConfig } from './config.ts'
import { openFeed } from './issuer/feed.ts'
import { issuerKeys, readIssuerCa } from './issuer/issuer-keys.ts'
import { createStanding } from './issuer/standing.ts'
import { statePath } from './keys/credential-file.ts'
import { type Credentials, openCredentials } from './keys/credentials.ts'
import { type BrokerMetrics, createBrokerMetrics } from './metrics.ts'
import { openRouteTable, type RouteTable } from './routes/route-table.ts'

export interface BrokerHooks {
  readonly onReady?: (at: HostPort) => void
  /** Calls back when the configuration is to be read again; the result ends that. */
  readonly onReload?: (listener: () => void) => () => void
  /** The configuration as it is by then. Throws where it is unsound. */
  readonly readAgain?: () => Promise<BrokerConfig>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log?: Log
  readonly lookup?: HostLookup
  readonly clock?: Clock
}

/** What the parts are made of. */
export interface Opened {
  readonly trail: Trail
  readonly log: Log
  readonly clock: Clock
  readonly hooks: BrokerHooks
  /** The broker's own, as it is by then. Throws while there is none. */
  readonly svid: () => X509Svid
}

export interface BrokerParts {
  readonly serve: Serve
  readonly table: RouteTable
  readonly policies: Policies
  readonly credentials: Credentials
  readonly keys: KeyManager
  readonly refusals: RefusalRecord
  readonly metrics: BrokerMetrics
  readonly feed: RevocationFeed | undefined
}

/** Throws as `fileKeyManager`, `openCredentials`, `openRouteTable` and `openPolicies`, and `invalid` `issuer-ca`. */
export async function makeParts(config: BrokerConfig, opened: Opened): Promise<BrokerParts> {
  const { trail, log, clock, hooks } = opened
  const lookup = hooks.lookup ?? systemLookup
  const append = (events: readonly AuditEvent[]) => trail.append(events)
  const keys = await fileKeyManager(config.wrappingKey)
  const credentials = openCredentials(statePath(config.dataDir), keys, clock)
  const issuerCa = readIssuerCa(config.issuerCa)
  const keysOf = (path: string) =>
    issuerKeys(`${config.issuer}${path}`, issuerCa, { lookup, clock })
  const feed = config.feed
    ? openFeed({
        ...{ issuer: config.issuer, issuerCa, keys: keysOf('/oauth/feed-keys') },
        ...{ svid: opened.svid, clock, log },
      })
    : undefined
  if (feed === undefined) log.warn('what is revoked does not reach this broker: feed is false')
  const standing = createStanding(feed)
  const jwks = keysOf('/oauth/jwks')
  const table: RouteTable = await openRouteTable(config, {
    ...{ env: hooks.env, read: hooks.readAgain ?? (async () => config), keys },
    ...{ credentials, append },
    ...{ jwks, revocations: feed, standing, lookup, clock, log },
  })
  feed?.onFacts(() => table.review())
  const policySource = folderSource(config.policy)
  const policies = await openPolicies({
    ...{ source: policySource, separateEnvironments: false, append, clock, log },
  })
  policies.onChange(() => table.checkAgain())
  const metrics = createBrokerMetrics({ ...table, feedAgeMs: () => feed?.ageMs() })
  const refusals = createRefusalRecord({ append, clock })
  const elsewhere = createVerifier({
    ...{ issuer: config.issuer, audience: config.origin, jwks, clock },
    onTrouble: () => {},
    ...(feed !== undefined && { revocations: feed }),
  })
  const serve = createBroker({
    ...{ origin: config.origin, routes: table.current, elsewhere, policies, credentials, append },
    ...{ refusals, metrics, checkStanding: standing.check, clock, log },
  })
  return { serve, table, policies, credentials, keys, refusals, metrics, feed }
}

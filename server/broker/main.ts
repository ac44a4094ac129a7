import { mkdirSync } from 'node:fs'
import type { AuditEvent } from '../../src/audit/event.ts'
import { type HostLookup, systemLookup } from '../../src/federation/locate.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import { formatHostPort, type HostPort } from '../../src/runtime/config-value.ts'
import { createLog } from '../../src/runtime/json-log.ts'
import type { Log } from '../../src/runtime/log.ts'
import { serveMonitoring } from '../../src/runtime/monitoring.ts'
import { runTogether } from '../../src/runtime/tasks.ts'
import { version } from '../../src/runtime/version.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { X509Source } from '../../src/workload-api/x509-source.ts'
import { startedEvent, stoppedEvent } from '../audit/run-events.ts'
import { openTrail, type Trail } from '../audit/trail.ts'
import { fileKeyManager } from '../ca/key-manager.ts'
import { createRefusalRecord } from '../oauth/refusals.ts'
import { openPolicies } from '../policy/policies.ts'
import { folderSource } from '../policy/policy-source.ts'
import { lockFolder } from '../store/folder-lock.ts'
import { createBroker } from './broker.ts'
import type { BrokerConfig } from './config.ts'
import { type Credentials, openCredentials, statePath } from './credentials.ts'
import { serveBroker } from './endpoint.ts'
import { issuerKeys } from './issuer-keys.ts'
import { createBrokerMetrics } from './metrics.ts'
import { deniedEvent } from './record.ts'
import { openRouteTable } from './route-table.ts'

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

/** Used credentials are written down this often, and at the end. */
const flushMs = 10_000

/**
 * Runs a broker until the signal aborts; resolves when all is closed. Throws as what it opens: `config-…`,
 * `secret-…`, `credential-shared`, `policy-…`, `audit-…`, `wrapping-key-…`, `broker-…`, `data-in-use`.
 */
export async function runBroker(
  config: BrokerConfig,
  signal: AbortSignal,
  hooks: BrokerHooks,
): Promise<void> {
  const log = hooks.log ?? createLog({ level: config.logLevel, component: 'broker' })
  const clock = hooks.clock ?? systemClock
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
  const unlock = lockFolder(config.dataDir)
  try {
    const trail = await openTrail({ path: config.auditFile, clock, log })
    try {
      await runWith(config, { trail, log, clock, hooks }, signal)
    } finally {
      await trail[Symbol.asyncDispose]()
    }
  } finally {
    unlock()
  }
}

interface Opened {
  readonly trail: Trail
  readonly log: Log
  readonly clock: Clock
  readonly hooks: BrokerHooks
}

async function runWith(
  config: BrokerConfig,
  { trail, log, clock, hooks }: Opened,
  signal: AbortSignal,
): Promise<void> {
  const lookup = hooks.lookup ?? systemLookup
  const append = (events: readonly AuditEvent[]) => trail.append(events)
  const keys = await fileKeyManager(config.wrappingKey)
  const credentials = openCredentials(statePath(config.dataDir), keys, clock)
  const jwks = issuerKeys(config.issuer, config.issuerCa, { lookup, clock })
  const table = await openRouteTable(config, {
    env: hooks.env,
    read: hooks.readAgain ?? (async () => config),
    keys,
    credentials,
    jwks,
    lookup,
    clock,
    log,
  })
  const policies = await openPolicies({
    source: folderSource(config.policy),
    separateEnvironments: false,
    append,
    clock,
    log,
  })
  const metrics = createBrokerMetrics(table)
  const refusals = createRefusalRecord({ append, clock })
  const serve = createBroker({
    origin: config.origin,
    routes: table.current,
    policies,
    credentials,
    append,
    refusals,
    metrics,
    clock,
    log,
  })
  const source = await openSource(config, log, signal)
  const { spiffeId } = source.svid()
  const trustDomain = SpiffeId.trustDomainOf(spiffeId)
  const stopReloads = hooks.onReload?.(() => void table.reload())
  let reason: 'asked' | 'failed' = 'failed'
  try {
    await append([startedEvent({ trustDomain, version, config }, clock.now())])
    await runTogether(
      signal,
      (until) => policies.run(until),
      (until) => flushing(credentials, clock, log, until),
      async (until) => {
        if (config.httpAddress === undefined) return
        const notReady = async () => trail.ready()?.reason
        await serveMonitoring(
          config.httpAddress,
          { notReady, metrics: metrics.registry },
          log,
          until,
        )
      },
      (until) =>
        serveBroker(
          {
            serve,
            unreadable: (error, address) => {
              const event = deniedEvent({ address, peer: undefined }, error, clock.now())
              refusals.note(event).catch(() => {})
            },
            source,
            config,
            onReady: (at) => {
              log.info('the broker is ready', { address: formatHostPort(at), spiffeId })
              hooks.onReady?.(at)
            },
            clock,
            log,
          },
          until,
        ),
    )
    reason = 'asked'
  } finally {
    stopReloads?.()
    table.close()
    credentials.flush()
    await source.close()
    const stopped = stoppedEvent({ trustDomain, reason, deniedLeftOut: 0 }, clock.now())
    await append([stopped]).catch((error: unknown) =>
      log.error('the stop is not on record', { error }),
    )
  }
  log.info('the broker has stopped')
}

function openSource(config: BrokerConfig, log: Log, signal: AbortSignal): Promise<X509Source> {
  return X509Source.open({
    ...(config.socket !== undefined && { endpoint: `unix://${config.socket}` }),
    signal,
    onError: (error) => log.warn('the Workload API does not answer as it should', { error }),
  })
}

async function flushing(
  credentials: Credentials,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await clock.sleep(flushMs, signal)
    try {
      credentials.flush()
    } catch (error) {
      log.error('when credentials were used cannot be written down', { error })
    }
  }
}

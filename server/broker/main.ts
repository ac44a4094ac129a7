import { join } from 'node:path'
import type { AuditEvent } from '../../src/audit/event.ts'
import type { CountersignError } from '../../src/errors.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { formatHostPort } from '../../src/runtime/config-value.ts'
import { flushEvery } from '../../src/runtime/flush-every.ts'
import { createLog } from '../../src/runtime/json-log.ts'
import { serveMonitoring } from '../../src/runtime/monitoring.ts'
import { openPrivateFolder } from '../../src/runtime/private-folder.ts'
import { runTogether } from '../../src/runtime/tasks.ts'
import { version } from '../../src/runtime/version.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Source } from '../../src/workload-api/x509-source.ts'
import { loadChainId } from '../audit/chain-id.ts'
import { openHeadKeyFile } from '../audit/head-key-file.ts'
import { startedEvent, stoppedEvent } from '../audit/run-events.ts'
import { openTrail } from '../audit/trail.ts'
import { openWitness } from '../audit/witness.ts'
import { lockFolder } from '../store/folder-lock.ts'
import { serveBroker } from './call/endpoint.ts'
import { deniedEvent } from './call/record.ts'
import type { BrokerConfig } from './config.ts'
import { watchSinks } from './metrics.ts'
import { openOwnSource } from './own-source.ts'
import { type BrokerHooks, type BrokerParts, makeParts, type Opened } from './parts.ts'
import { watchKeys } from './routes/key-watch.ts'

export type { BrokerHooks } from './parts.ts'

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
  openPrivateFolder(config.dataDir)
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

async function runWith(
  config: BrokerConfig,
  opened: Omit<Opened, 'svid'>,
  signal: AbortSignal,
): Promise<void> {
  const { log, hooks } = opened
  let source: X509Source | undefined
  const svid = () => {
    if (source === undefined) throw new TypeError('nobody is asked before there is an SVID')
    return source.svid()
  }
  // First, so that what is wrong with the configuration is said although no agent is there.
  const parts = await makeParts(config, { ...opened, svid })
  const stopReloads = hooks.onReload?.(() => void parts.table.reload())
  try {
    source = await openOwnSource(config, log, signal)
    await serve(config, parts, source, opened, signal)
  } finally {
    stopReloads?.()
    parts.table.close()
    parts.credentials.flush()
    await source?.close()
  }
  log.info('the broker has stopped')
}

async function serve(
  config: BrokerConfig,
  parts: BrokerParts,
  source: X509Source,
  { trail, log, clock, hooks }: Omit<Opened, 'svid'>,
  signal: AbortSignal,
): Promise<void> {
  const { policies, credentials, feed, metrics, refusals } = parts
  const { spiffeId } = source.svid()
  const trustDomain = SpiffeId.trustDomainOf(spiffeId)
  const unreadable = (error: CountersignError, address: string): void => {
    const event = deniedEvent({ address, peer: undefined }, error, clock.now())
    refusals.note(event).catch(() => {})
  }
  const headKeys = openHeadKeyFile(join(config.dataDir, 'head-keys.json'), {
    keys: parts.keys,
    trustDomain,
    clock,
  })
  const witness = openWitness({
    path: config.auditFile,
    chain: await loadChainId(config.auditFile),
    trail,
    sinks: config.auditSinks,
    sign: (head) => headKeys.sign(head),
    clock,
    log,
  })
  watchSinks(metrics.registry, () => witness.lag())
  const append = (events: readonly AuditEvent[]) => trail.append(events)
  const flushed = async (): Promise<void> => {
    try {
      credentials.flush()
    } catch (error) {
      log.error('when credentials were used cannot be written down', { error })
    }
  }
  let reason: 'asked' | 'failed' = 'failed'
  try {
    await trail.append([startedEvent({ trustDomain, version, config }, clock.now())])
    await runTogether(
      signal,
      (until) => policies.run(until),
      (until) => witness.run(until),
      async (until) => feed?.run(until),
      (until) => flushEvery(clock, flushMs, flushed, until),
      (until) => watchKeys({ table: parts.table, append, clock, log }, until),
      async (until) => {
        if (config.httpAddress === undefined) return
        const notReady = async () =>
          trail.ready()?.reason ?? (feed?.fresh() === false ? 'revocation-unknown' : undefined)
        const monitored = { notReady, metrics: metrics.registry }
        await serveMonitoring(config.httpAddress, monitored, log, until)
      },
      (until) =>
        serveBroker(
          {
            ...{ serve: parts.serve, unreadable, source, config, clock, log },
            endCalls: () => parts.table.close(),
            onReady: (at) => {
              log.info('the broker is ready', { address: formatHostPort(at), spiffeId })
              hooks.onReady?.(at)
            },
          },
          until,
        ),
    )
    reason = 'asked'
  } finally {
    const deniedLeftOut = refusals.leftOut
    const stopped = stoppedEvent({ trustDomain, reason, deniedLeftOut }, clock.now())
    await trail
      .append([stopped])
      .catch((error: unknown) => log.error('the stop is not on record', { error }))
    await witness.stop()
  }
}

import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { AuditEvent } from '../src/audit/event.ts'
import type { CountersignError } from '../src/errors.ts'
import { agentBanned, agentNotAttested } from '../src/rpc/agent-refusal.ts'
import { systemClock } from '../src/runtime/clock.ts'
import type { HostPort } from '../src/runtime/config-value.ts'
import { createLevelSwitch, createLog } from '../src/runtime/json-log.ts'
import type { LevelSwitch, Log } from '../src/runtime/log.ts'
import { aborted, runTogether } from '../src/runtime/tasks.ts'
import { version } from '../src/runtime/version.ts'
import { createDenials } from './access/denials.ts'
import { createGuard } from './access/guard.ts'
import { RateLimiter } from './access/limits.ts'
import {
  type CommitRecorder,
  createCommitRecorder,
  openChain,
  settleRecords,
} from './audit/commit-record.ts'
import { AuditCopy } from './audit/copy.ts'
import { startedEvent, stoppedEvent } from './audit/run-events.ts'
import { openTrail, type Trail } from './audit/trail.ts'
import { createBundles } from './bundle/bundles.ts'
import { createFederation } from './bundle/federation.ts'
import { type Ca, createCa } from './ca/ca.ts'
import { fileKeyManager, type KeyManager, memoryKeyManager } from './ca/key-manager.ts'
import { type ChangeBatch, openChanges } from './changes/changes.ts'
import type { ServerConfig } from './config.ts'
import { type EndpointDeps, openEndpoints, readDefinitions, trusts } from './endpoints.ts'
import { newEntryId } from './entry/entry-id.ts'
import { runExpiry } from './entry/expiry.ts'
import { Followers } from './entry/followers.ts'
import { createEntryIndex } from './entry/index.ts'
import { createRegistry } from './entry/registry.ts'
import { serveHttp } from './http.ts'
import { followIdentity } from './identity.ts'
import { createServerMetrics, type ServerMetrics } from './metrics.ts'
import { joinTokenAttestor, joinTokenType } from './node/join-token.ts'
import { promotePendingSvid } from './node/lifecycle.ts'
import { createReadiness } from './readiness.ts'
import { lockFolder } from './store/folder-lock.ts'
import type { RefusedRow } from './store/row-seal.ts'
import { openSqlite } from './store/sqlite.ts'
import { type EntryReading, openStore, type Store } from './store/store.ts'

export interface ServerHooks {
  /** Called once agents and operators can call. */
  readonly onReady?: (at: { readonly address: HostPort }) => void
  readonly log?: Log
}

/** Runs a server until the signal aborts; resolves when all is closed. */
export async function runServer(
  config: ServerConfig,
  signal: AbortSignal,
  hooks: ServerHooks = {},
): Promise<void> {
  const logLevel = createLevelSwitch(config.logLevel)
  const log = hooks.log ?? createLog({ level: logLevel, component: 'server' })
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
  const unlock = lockFolder(config.dataDir)
  try {
    await runLocked(config, signal, { ...hooks, log, logLevel })
  } finally {
    unlock()
  }
}

async function runLocked(
  config: ServerConfig,
  signal: AbortSignal,
  hooks: ServerHooks & { readonly log: Log; readonly logLevel: LevelSwitch },
): Promise<void> {
  const { log, logLevel } = hooks
  const clock = systemClock
  const keys = await openKeys(config)
  const trail = await openTrail({ path: config.auditFile, clock, log })
  try {
    let recorder: CommitRecorder | undefined
    const store = await openStore({
      connect: () => openSqlite(join(config.dataDir, 'store.sqlite')),
      trustDomain: config.trustDomain,
      sealKey: keys.deriveKey(`row seal of ${config.trustDomain}`),
      onRefused: (row) => recordRefusal(row, trail, log),
      log,
      clock,
      beforeCommit: async (events, db) => recorder?.beforeCommit(events, db),
    })
    try {
      // Most of a start with many entries: nothing else waits for it before all else is open.
      const reading = await store.readEntries()
      readDefinitions()
      const path = config.auditFile
      const chain = await openChain({ path, trail, db: store.db, log })
      await settleRecords({ path, trail, chain, store, clock, log })
      recorder = createCommitRecorder(trail, chain.id, clock)
      await serve(
        { config, log, logLevel, trail, chain: chain.id, store, reading, keys, hooks },
        signal,
      )
    } finally {
      await store[Symbol.asyncDispose]()
    }
  } finally {
    await trail[Symbol.asyncDispose]()
  }
}

function recordRefusal({ table, id }: RefusedRow, trail: Trail, log: Log): void {
  const event: AuditEvent = {
    kind: 'store.row.refused',
    time: systemClock.now(),
    actor: { kind: 'server' },
    decision: 'deny',
    reason: 'row-seal',
    details: { table, id },
  }
  trail
    .append([event])
    .catch((error: unknown) => log.error('a refusal is not on record', { error }))
}

function openKeys(config: ServerConfig): Promise<KeyManager> {
  return config.keyManager.type === 'file'
    ? fileKeyManager(config.keyManager.path)
    : Promise.resolve(memoryKeyManager())
}

interface Opened {
  readonly config: ServerConfig
  readonly log: Log
  readonly logLevel: LevelSwitch
  readonly trail: Trail
  /** Name of the trail's chain in the store. */
  readonly chain: string
  readonly store: Store
  readonly reading: EntryReading
  readonly keys: KeyManager
  readonly hooks: ServerHooks
}

async function serve(
  { config, log, logLevel, trail, chain, store, reading, keys, hooks }: Opened,
  signal: AbortSignal,
): Promise<void> {
  const clock = systemClock
  const { trustDomain } = config
  const index = createEntryIndex({ trustDomain, clock })
  const bundles = createBundles(trustDomain)
  const metrics: ServerMetrics = createServerMetrics({
    entries: () => index.size,
    refusedRows: () => store.refusedRows(),
    agents: () => index.agents().length,
    connectedAgents: () => followers.size,
    position: () => changes.position,
    caExpirySeconds: () => caExpirySeconds(ca),
    auditCopyLag: () => copy.lag,
    failingFederation: () => federation.status().filter(({ failures }) => failures > 0).length,
  })
  const ca = await createCa({
    store,
    trail,
    keys,
    clock,
    log,
    settings: {
      trustDomain,
      caTtlSeconds: config.ca.ttlSeconds,
      x509KeyKind: config.ca.keyKind,
      jwtKeyKind: config.ca.jwtKeyKind,
      jwtRs256Audiences: config.ca.jwtRs256Audiences,
      oauth: config.oauth !== undefined,
      x509SvidTtlSeconds: config.x509SvidTtlSeconds,
      jwtSvidTtlSeconds: config.jwtSvidTtlSeconds,
      agentTtlSeconds: config.agentTtlSeconds,
      jwtIssuer: config.jwtIssuer,
    },
    observe: metrics,
  })
  const copy = new AuditCopy({
    path: config.auditFile,
    trail,
    chain,
    store,
    keep: config.auditCopyRecords,
    clock,
    log,
  })
  const changes = await openChanges(store, {
    clock,
    log,
    reading,
    onBatch(batch) {
      index.apply(batch)
      bundles.apply(batch)
      ca.apply(batch)
    },
  })
  const followers = new Followers({
    index,
    bundles: () => [bundles.own(), ...bundles.federated()],
    position: () => changes.position,
    clock,
    failed: (agentId, error) => log.error('a change could not be told', { agentId, error }),
    duplicated(spiffeId, addresses) {
      log.warn('two processes show the SVID of one agent', { agentId: spiffeId, addresses })
      trail
        .append([
          {
            kind: 'agent.duplicated',
            time: clock.now(),
            actor: { kind: 'server' },
            spiffeId,
            decision: 'deny',
            reason: 'agent-duplicated',
            details: { addresses: addresses.join(' ') },
          },
        ])
        .catch((error: unknown) => log.error('a duplicate is not on record', { error }))
    },
  })
  const registry = createRegistry({
    store,
    changes,
    index,
    trustDomain,
    clock,
    newId: () => newEntryId(clock.now()),
    knowsTrustDomain: (name) => bundles.bundleOf(name) !== undefined,
    selectorTypes: config.selectorTypes,
  })
  const federation = createFederation({
    trustDomain,
    store,
    changes,
    bundles,
    settings: config.federation,
    clock,
    log,
    observe: metrics.fetched,
  })
  const denials = createDenials({
    clock,
    rights: (id) => index.rightsOf(id),
    append: (events) => trail.append(events),
  })
  const record = async (event: AuditEvent): Promise<void> => {
    await trail.append([event]).catch((error: unknown) => {
      log.error('start or stop is not on record', { error })
    })
  }
  const identity = await followIdentity(ca, bundles, clock)
  const deps: EndpointDeps = {
    trustDomain,
    clock,
    log,
    logLevel,
    store,
    changes,
    index,
    registry,
    followers,
    bundles,
    federation,
    ca,
    nodes: {
      trustDomain,
      store,
      changes,
      index,
      ca,
      clock,
      attestors: new Map([[joinTokenType, joinTokenAttestor(store, clock)]]),
    },
    cursorKey: randomBytes(32),
    limits: {
      attest: new RateLimiter(config.rateLimits.attest, clock),
      sign: new RateLimiter(config.rateLimits.sign, clock),
    },
    denied: denials.note,
    notReady: createReadiness(clock, [() => ca.ready(), () => trail.probe(), () => store.probe()]),
    guard: createGuard({
      clock,
      agent: (id) => index.agent(id),
      rights: (id) => index.rightsOf(id),
      trusts: (svid) => trusts(bundles, svid),
      promote: (shown) => promotePendingSvid({ store, changes }, shown),
      calls: new RateLimiter(config.rateLimits.call, clock),
    }),
    identity: identity.current,
    observe: metrics.call,
  }
  const running = new AbortController()
  const following = changes.run(running.signal)
  // It is heard below, once the doors are open.
  following.catch(() => {})
  let reason: 'asked' | 'failed' = 'failed'
  try {
    await record(startedEvent({ trustDomain, version, config }, clock.now()))
    const endpoints = await openEndpoints(config, deps)
    changes.subscribe((batch) => {
      cutAgents(batch, endpoints.cut)
      if (batch.bundles.size > 0) {
        endpoints.cutRevoked()
        identity.look()
      }
      followers.apply(batch)
    })
    const identityUsers = new Set([() => endpoints.refreshIdentity()])
    const useIdentity = (): void => {
      for (const use of identityUsers) use()
    }
    const address = { host: config.bindAddress.host, port: endpoints.port }
    log.info('server is ready', { trustDomain, ...address, adminSocket: config.adminSocket })
    hooks.onReady?.({ address })
    await runTogether(
      signal,
      (until) => endpoints.serve(until),
      (until) => ca.run(until),
      (until) => identity.run(useIdentity, until),
      (until) => (config.auditCopyRecords === 0 ? aborted(until) : copy.run(until)),
      (until) => federation.run(until),
      (until) => runExpiry(registry, { clock, log }, until),
      (until) =>
        serveHttp(config, { ...deps, trail, metrics: metrics.registry, identityUsers }, until),
      (until) => Promise.race([following, aborted(until)]),
    )
    reason = 'asked'
  } finally {
    running.abort(new DOMException('stopped', 'AbortError'))
    await following.catch(() => {})
    const deniedLeftOut = denials.leftOut
    await record(stoppedEvent({ trustDomain, reason, deniedLeftOut }, clock.now()))
  }
  log.info('server has stopped')
}

/** Agents that were banned or evicted may go on with nothing that they began before. */
function cutAgents(
  batch: ChangeBatch,
  cut: (id: Parameters<EndpointDeps['followers']['cut']>[0], error: CountersignError) => void,
): void {
  for (const [id, agent] of batch.agents) {
    if (agent === undefined) cut(id, agentNotAttested())
    else if (agent.banned) cut(id, agentBanned())
  }
}

function caExpirySeconds(ca: Ca): number {
  const end = ca.state('x509').active?.notAfter
  return end === undefined ? 0 : (end.getTime() - systemClock.now().getTime()) / 1000
}

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { AuditEvent } from '../src/audit/event.ts'
import type { CountersignError } from '../src/errors.ts'
import { agentBanned, agentNotAttested } from '../src/rpc/agent-refusal.ts'
import { systemClock } from '../src/runtime/clock.ts'
import type { HostPort } from '../src/runtime/config-value.ts'
import { createLevelSwitch, createLog } from '../src/runtime/json-log.ts'
import type { LevelSwitch, Log } from '../src/runtime/log.ts'
import { openPrivateFolder } from '../src/runtime/private-folder.ts'
import { aborted, runTogether } from '../src/runtime/tasks.ts'
import { version } from '../src/runtime/version.ts'
import { recordRefusedRow } from './alarms.ts'
import {
  type CommitRecorder,
  createCommitRecorder,
  openChain,
  settleRecords,
} from './audit/commit-record.ts'
import { startedEvent, stoppedEvent } from './audit/run-events.ts'
import { openTrail } from './audit/trail.ts'
import { fileKeyManager, type KeyManager, memoryKeyManager } from './ca/key-manager.ts'
import type { ChangeBatch } from './changes/changes.ts'
import type { ServerConfig } from './config.ts'
import { type EndpointDeps, openEndpoints, readDefinitions } from './endpoints.ts'
import { runExpiry } from './entry/expiry.ts'
import { httpDoors, serveHttp } from './http.ts'
import { makeParts, type Opened } from './parts.ts'
import { lockFolder } from './store/folder-lock.ts'
import { openSqlite } from './store/sqlite.ts'
import { openStore } from './store/store.ts'
import { openForeignClientsOf, openPoliciesOf } from './token-parts.ts'

export interface ServerHooks {
  /** Called once everybody can call for whom there is a door. */
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
  openPrivateFolder(config.dataDir)
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
  const database = join(config.dataDir, 'store.sqlite')
  const keys = await openKeys(config, database)
  const trail = await openTrail({ path: config.auditFile, clock, log })
  try {
    let recorder: CommitRecorder | undefined
    const store = await openStore({
      connect: () => openSqlite(database),
      trustDomain: config.trustDomain,
      sealKey: keys.deriveKey(`row seal of ${config.trustDomain}`),
      onRefused: (row) => recordRefusedRow(row, { trail, log }),
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
      const opened = { config, log, logLevel, trail, chain: chain.id, store, reading, keys }
      await serve(opened, hooks, signal)
    } finally {
      await store[Symbol.asyncDispose]()
    }
  } finally {
    await trail[Symbol.asyncDispose]()
  }
}

async function openKeys({ keyManager }: ServerConfig, database: string): Promise<KeyManager> {
  return keyManager.type === 'file'
    ? fileKeyManager(keyManager.path, existsSync(database))
    : memoryKeyManager()
}

async function serve(opened: Opened, hooks: ServerHooks, signal: AbortSignal): Promise<void> {
  const { config, log, trail } = opened
  const { trustDomain } = config
  const clock = systemClock
  const { deps, copy, witness, denials, refusals, identity, metrics } = await makeParts(opened)
  const { changes, followers, ca, federation, registry } = deps
  const record = async (event: AuditEvent): Promise<void> => {
    await trail.append([event]).catch((error: unknown) => {
      log.error('start or stop is not on record', { error })
    })
  }
  const running = new AbortController()
  const following = changes.run(running.signal)
  // It is heard below, once the doors are open.
  following.catch(() => {})
  let reason: 'asked' | 'failed' = 'failed'
  try {
    await record(startedEvent({ trustDomain, version, config }, clock.now()))
    const policies = await openPoliciesOf(opened)
    const foreign = await openForeignClientsOf(opened)
    let shut = httpDoors(config)
    const notReady = async () => (shut > 0 ? 'starting' : deps.notReady())
    const doors = {
      ...{ ...deps, notReady, policies, trail, refusals },
      foreignClients: foreign.clients,
    }
    const endpoints = await openEndpoints(config, doors)
    changes.subscribe((batch) => {
      cutAgents(batch, endpoints.cut)
      if (batch.bundles.size > 0) {
        endpoints.cutRevoked()
        identity.look()
      }
      followers.apply(batch)
      if (batch.policiesChanged) policies?.wake()
    })
    const identityUsers = new Set([() => endpoints.refreshIdentity()])
    const useIdentity = (): void => {
      for (const use of identityUsers) use()
    }
    const address = { host: config.bindAddress.host, port: endpoints.port }
    const ready = (): void => {
      log.info('server is ready', { trustDomain, ...address, adminSocket: config.adminSocket })
      hooks.onReady?.({ address })
    }
    const doorOpened = (): void => {
      shut -= 1
      if (shut === 0) ready()
    }
    if (shut === 0) ready()
    await runTogether(
      signal,
      (until) => endpoints.serve(until),
      (until) => ca.run(until),
      (until) => witness.run(until),
      (until) => identity.run(useIdentity, until),
      (until) => (config.auditCopyRecords === 0 ? aborted(until) : copy.run(until)),
      (until) => federation.run(until),
      (until) => runExpiry(registry, { clock, log }, until),
      (until) =>
        serveHttp(config, { ...doors, foreign, opened: doorOpened, metrics, identityUsers }, until),
      (until) => Promise.race([following, aborted(until)]),
    )
    reason = 'asked'
  } finally {
    running.abort(new DOMException('stopped', 'AbortError'))
    await following.catch(() => {})
    const deniedLeftOut = denials.leftOut + refusals.leftOut
    await record(stoppedEvent({ trustDomain, reason, deniedLeftOut }, clock.now()))
    await witness.stop()
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

import { randomBytes } from 'node:crypto'
import { systemClock } from '../src/runtime/clock.ts'
import type { LevelSwitch, Log } from '../src/runtime/log.ts'
import { createDenials, type Denials } from './access/denials.ts'
import { createGuard } from './access/guard.ts'
import { RateLimiter } from './access/limits.ts'
import { recordDuplicate } from './alarms.ts'
import { AuditCopy } from './audit/copy.ts'
import type { Trail } from './audit/trail.ts'
import { openWitness, type Witness } from './audit/witness.ts'
import { createBundles } from './bundle/bundles.ts'
import { createFederation } from './bundle/federation.ts'
import { type Ca, createCa } from './ca/ca.ts'
import type { KeyManager } from './ca/key-manager.ts'
import type { CaSettings } from './ca/settings.ts'
import { openChanges } from './changes/changes.ts'
import type { ServerConfig } from './config.ts'
import { type EndpointDeps, trusts } from './endpoints.ts'
import { newEntryId } from './entry/entry-id.ts'
import { Followers } from './entry/followers.ts'
import { createEntryIndex } from './entry/index.ts'
import { createRegistry } from './entry/registry.ts'
import { followIdentity } from './identity.ts'
import { keyHashOf } from './legacy/legacy-caller.ts'
import { createServerMetrics, type ServerMetrics } from './metrics.ts'
import { joinTokenAttestor, joinTokenType } from './node/join-token.ts'
import { promotePendingSvid } from './node/lifecycle.ts'
import { createRefusalRecord, type RefusalRecord } from './oauth/refusals.ts'
import { inStore, longestProofSeconds } from './oauth/settings.ts'
import { eventWriter } from './oauth/ssf/event-writer.ts'
import { createReadiness } from './readiness.ts'
import { createRevocations } from './revocation/revocations.ts'
import { factWriter } from './revocation/write-facts.ts'
import type { EntryReading, Store } from './store/store.ts'

/** What is open before anything else can be made. */
export interface Opened {
  readonly config: ServerConfig
  readonly log: Log
  readonly logLevel: LevelSwitch
  readonly trail: Trail
  /** Name of the trail's chain in the store. */
  readonly chain: string
  readonly store: Store
  readonly reading: EntryReading
  readonly keys: KeyManager
}

/** What a server consists of, ready to run. */
export interface Parts {
  readonly deps: Omit<EndpointDeps, 'foreignClients' | 'policies'>
  readonly copy: AuditCopy
  readonly witness: Witness
  readonly denials: Denials
  readonly refusals: RefusalRecord
  readonly identity: Awaited<ReturnType<typeof followIdentity>>
  readonly metrics: ServerMetrics
}

/** Makes the parts, in the order in which they need each other, and fills them with what the store holds. */
export async function makeParts(opened: Opened): Promise<Parts> {
  const { config, log, logLevel, trail, chain, store, reading, keys } = opened
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
    auditSinkLag: () => witness.lag(),
    failingFederation: () => federation.status().filter(({ failures }) => failures > 0).length,
    staleFederation: () => federation.status().filter(({ isStale }) => isStale).length,
  })
  const writeFacts = factWriter({
    clock: { now: () => new Date(Math.max(clock.now().getTime(), ca.latestTime().getTime())) },
    trustDomain,
    proofSeconds: longestProofSeconds(config.oauth, config.ca.ttlSeconds),
    told: eventWriter({ ...config.oauth, logId: store.logId, clock }),
  })
  const revocations = createRevocations({ clock, write: writeFacts })
  const ca = await createCa({
    store,
    trail,
    keys,
    clock,
    log,
    settings: caSettingsOf(config),
    judge: revocations.judge,
    writeFacts,
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
  const witness = openWitness({
    path: config.auditFile,
    chain,
    trail,
    sinks: config.auditSinks,
    sign: (head) => ca.signHead(head),
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
      revocations.apply(batch)
    },
  })
  const followers = new Followers({
    index,
    bundles: () => [bundles.own(), ...bundles.federated()],
    position: () => changes.position,
    clock,
    failed: (agentId, error) => log.error('a change could not be told', { agentId, error }),
    duplicated: (id, addresses) => recordDuplicate(id, addresses, { trail, log }),
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
    writeFacts,
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
  await federation.read()
  const denials = createDenials({
    clock,
    rights: (id) => index.rightsOf(id),
    append: (events) => trail.append(events),
  })
  const refusals = createRefusalRecord({ append: (events) => trail.append(events), clock })
  const identity = await followIdentity(ca, bundles, clock)
  const deps = {
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
    revocations,
    writeFacts,
    nodes: {
      trustDomain,
      store,
      changes,
      index,
      ca,
      clock,
      writeFacts,
      attestors: new Map([[joinTokenType, joinTokenAttestor(store, clock)]]),
    },
    resources: config.oauth?.resources ?? new Map(),
    legacyKeyHash: keyHashOf(keys.deriveKey(`legacy keys of ${trustDomain}`)),
    hasLegacyEdges: (config.oauth?.legacyEdges.size ?? 0) > 0,
    policiesInStore: config.oauth?.policy === inStore,
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
  return { deps, copy, witness, denials, refusals, identity, metrics }
}

function caSettingsOf(config: ServerConfig): CaSettings {
  return {
    trustDomain: config.trustDomain,
    caTtlSeconds: config.ca.ttlSeconds,
    x509KeyKind: config.ca.keyKind,
    jwtKeyKind: config.ca.jwtKeyKind,
    jwtRs256Audiences: config.ca.jwtRs256Audiences,
    oauth: config.oauth !== undefined,
    oauthKeyKind: config.oauth?.signing === 'RS256' ? 'rsa-2048' : 'ec-p256',
    events: (config.oauth?.streams.size ?? 0) > 0,
    x509SvidTtlSeconds: config.x509SvidTtlSeconds,
    jwtSvidTtlSeconds: config.jwtSvidTtlSeconds,
    agentTtlSeconds: config.agentTtlSeconds,
    jwtIssuer: config.jwtIssuer,
  }
}

function caExpirySeconds(ca: Ca): number {
  const end = ca.state('x509').active?.notAfter
  return end === undefined ? 0 : (end.getTime() - systemClock.now().getTime()) / 1000
}

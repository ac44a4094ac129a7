import { createServer } from 'node:https'
import type { Socket } from 'node:net'
import { type FastifyInstance, fastify } from 'fastify'
import type { AuditEvent } from '../../src/audit/event.ts'
import { guardedOptions, guardServer } from '../../src/mtls/guard.ts'
import type { IdentitySource } from '../../src/mtls/identity-source.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { inTurn } from '../../src/runtime/in-turn.ts'
import { runTogether } from '../../src/runtime/tasks.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { verifyAgain } from '../../src/svid/verified-chains.ts'
import { type RateLimit, RateLimiter } from '../access/limits.ts'
import type { Ca } from '../ca/ca.ts'
import { issuedAt } from '../ca/rotation.ts'
import type { Changes } from '../changes/changes.ts'
import { maxAgeSeconds } from '../documents/key-set.ts'
import { serveWeb, type WebServer } from '../documents/serve-web.ts'
import { tlsFromFiles } from '../documents/web-files.ts'
import type { EntryIndex } from '../entry/index.ts'
import type { KeyHash } from '../legacy/legacy-caller.ts'
import { createLegacyUse } from '../legacy/use.ts'
import type { Policies } from '../policy/policies.ts'
import { createAcknowledgements } from '../revocation/acknowledgements.ts'
import { runPrune } from '../revocation/prune.ts'
import { createPublisher } from '../revocation/publisher.ts'
import type { Revocations } from '../revocation/revocations.ts'
import { longestTokenSeconds } from '../revocation/write-facts.ts'
import { revokedKeys } from '../store/revoked-keys.ts'
import type { Store } from '../store/store.ts'
import { type AcknowledgeDeps, addAcknowledge } from './acknowledge-route.ts'
import { type CanariesDeps, runCanaries } from './canaries.ts'
import { clientEntries } from './client-entries.ts'
import { createCrossedTokens, notedOfRunBeforeMs } from './crossed-tokens.ts'
import { paths } from './documents.ts'
import { addDocuments } from './documents-route.ts'
import { openFederated } from './federated/open-federated.ts'
import { addFeed } from './feed-route.ts'
import { type FeedWatchDeps, runFeedWatch } from './feed-watch.ts'
import { maxBodyBytes } from './form.ts'
import { formRoutes } from './form-routes.ts'
import { createIntrospectionDoor } from './introspection.ts'
import { createIssuedTokens, maxUnwritten } from './issued-tokens.ts'
import { createLegacyDoor } from './legacy-door.ts'
import type { OpenedForeignClients } from './open-foreign-clients.ts'
import { runOrphans } from './orphans.ts'
import { runRecheck } from './recheck.ts'
import { runEntryRecheck } from './recheck-entries.ts'
import type { RefusalRecord } from './refusals.ts'
import { createRevocationDoor } from './revocation-door.ts'
import { type IssuedBefore, issuedAmong, type ReadLastIssued } from './run-before.ts'
import type { OauthSettings } from './settings.ts'
import { createTokenReader } from './shown-token.ts'
import { usesIn } from './single-use.ts'
import { checkPush } from './ssf/push.ts'
import { addSsf, type SsfDeps } from './ssf/routes.ts'
import { createTokenDoor, type TokenDoorDeps } from './token-door.ts'
import { createUnproven } from './unproven.ts'

/** Fastify sets none of its own where it is handed a server. Node's own look at who is late is each half a minute. */
const httpLimits = {
  keepAliveTimeout: 60_000,
  requestTimeout: 5000,
  connectionsCheckingInterval: 1000,
} as const
const handshakeTimeoutMs = 5000
const answerWithinMs = 10_000
/** Of the trail, at a start, which waits for it: some seconds. */
const maxLinesBack = 262_144
const protocol = { minVersion: 'TLSv1.2', alpn: [] } as const

export interface OauthEndpointDeps extends Pick<TokenDoorDeps, 'clock' | 'log'> {
  /** By which clients are known: without those that are too stale for that. */
  readonly bundles: TokenDoorDeps['bundles']
  readonly trustDomain: TrustDomain
  readonly revocations: Revocations
  readonly legacyKeyHash: KeyHash
  readonly ca: TokenDoorDeps['ca'] &
    Pick<Ca, 'signFeed' | 'signIntrospection' | 'signEvent' | 'state'>
  readonly index: Pick<EntryIndex, 'list' | 'ofId'>
  readonly store: Pick<Store, 'db' | 'write'>
  readonly policies: Policies
  readonly foreignClients: OpenedForeignClients
  readonly trail: { append(events: readonly AuditEvent[]): Promise<unknown> }
  readonly changes: Changes
  /** The server as a workload: its own SVID, and by which bundles it knows services. */
  readonly source: IdentitySource
  readonly observe: CanariesDeps['observe']
  readonly observeReaders: FeedWatchDeps['observeReaders']
  readonly observeLag: AcknowledgeDeps['observeLag']
  readonly observeEvents: SsfDeps['observeEvents']
  readonly observeWaiting: SsfDeps['observeWaiting']
  /** What runs of the server before this one have put on record of the last tokens that they issued. */
  readonly lastIssued: ReadLastIssued
  readonly refusals: RefusalRecord
  readonly authorityTtlSeconds: number
  /** Called once it can be called. */
  readonly opened: () => void
  readonly config: {
    readonly maxConnections: number
    readonly maxConnectionsPerAddress: number
    readonly rateLimits: { readonly call: RateLimit }
  }
}

/**
 * Serves tokens, metadata and keys until the signal aborts. Throws `unavailable` `oauth-address`, `invalid`
 * `oauth-certificate`, `forbidden` `oauth-key-mode`.
 */
export async function serveOauth(
  settings: OauthSettings,
  deps: OauthEndpointDeps,
  signal: AbortSignal,
): Promise<void> {
  const { ca, policies, revocations, clock, log, index, trail } = deps
  const append = (events: readonly AuditEvent[]) => trail.append(events)
  const crossed = createCrossedTokens(deps)
  const issued = createIssuedTokens({ store: deps.store, clock, log, begun: crossed.watch })
  const tokens = createTokenReader({ issuer: settings.issuer, ca, revocations, clock })
  const { federated, rules } = await openFederated(settings, deps)
  const { clients, file } = deps.foreignClients
  const use = createLegacyUse({ store: deps.store, clock, log })
  const { legacyKeyHash: keyHash, store } = deps
  const doorDeps: TokenDoorDeps = {
    ...deps,
    settings,
    policies,
    tokens,
    issued,
    useOnce: usesIn(deps.store, clock),
    upToDate: () => deps.changes.upToDate(),
    federated,
    calls: new RateLimiter(deps.config.rateLimits.call, clock),
    issuedAtOf: (id, notBefore) => issuedAt(deps.trustDomain, id, notBefore),
    ...clientEntries({ index, foreignClients: clients, clock }),
  }
  const tls = tlsFromFiles(settings.tls, 'oauth', 'oauth')
  const { chainOf, ...web } = createWeb(tls, deps)
  addDocuments(web.app, settings, deps)
  const forms = formRoutes(web.app, { chainOf, answerWithinMs, log })
  forms.add(paths.token, createTokenDoor(doorDeps))
  if (settings.legacyEdges.size > 0) {
    const isKeyRevoked = async (id: string) => (await revokedKeys(store.db, [id])).has(id)
    const byKey = { ...doorDeps, settings, index, use, keyHash, isKeyRevoked }
    forms.add(paths.legacy, createLegacyDoor(byKey))
  }
  forms.add(paths.introspection, createIntrospectionDoor({ ...doorDeps, ca }))
  const revoking = { ...doorDeps, revocations, tokens, changes: deps.changes, store: deps.store }
  forms.add(paths.revocation, createRevocationDoor(revoking))
  const publisher = createPublisher({ ...deps, issuer: settings.issuer })
  const { logId } = deps.changes
  const acknowledgements = createAcknowledgements({
    ...{ logId, head: () => revocations.head.number, clock },
  })
  const { observeLag } = deps
  addFeed(web.app, paths.feed, chainOf, { ...doorDeps, publisher, acknowledgements })
  addAcknowledge(web.app, paths.acknowledge, chainOf, { ...doorDeps, acknowledgements, observeLag })
  const { issuer, streams } = settings
  for (const { push } of streams.values()) if (push !== undefined) await checkPush(push)
  const { observeEvents, observeWaiting } = deps
  const runSsf = addSsf(web.app, chainOf, {
    ...{ ...doorDeps, ca, store, changes: deps.changes, issuer, streams, append },
    ...{ observeEvents, observeWaiting, maxAge: maxAgeSeconds(deps.authorityTtlSeconds) },
  })
  const rechecked = {
    ...{ ...doorDeps, federated, resources: settings.resources, policies, revocations },
    ...{ issued, store, foreignClients: clients, trustDomain: deps.trustDomain },
  }
  const issuedBefore = await issuedByRunBefore(deps)
  crossed.resume(issuedBefore)
  await issued.resume(issuedBefore.map(({ token }) => token))
  const { address } = settings
  const endpoint = { name: 'oauth', setting: 'oauth', address, tls, opened: deps.opened }
  await runTogether(
    signal,
    (until) => policies.run(until),
    ...[rules, file].flatMap((followed) => followed?.run ?? []),
    (until) => issued.run(until),
    (until) => crossed.run(until),
    (until) => use.run(until),
    (until) => runRecheck(rechecked, until),
    (until) => runOrphans({ ...deps, issued }, until),
    (until) => runEntryRecheck({ ...rechecked, changes: deps.changes }, until),
    (until) => publisher.run(until),
    (until) => runFeedWatch({ ...deps, settings, acknowledgements, append }, until),
    (until) => runSsf(until),
    (until) => runCanaries({ ...deps, settings, append }, until),
    (until) => runPrune(deps, until),
    (until) => serveWeb(endpoint, web, 'access tokens are issued', log, until),
  )
}

/** The tokens of which a server that was killed may have been too late to write them down, or to see them crossed. */
async function issuedByRunBefore({
  lastIssued,
  clock,
  log,
}: Pick<OauthEndpointDeps, 'lastIssued' | 'clock' | 'log'>): Promise<readonly IssuedBefore[]> {
  const now = clock.now()
  const since = new Date(now.getTime() - longestTokenSeconds * 1000)
  // Some more than may wait at a time: others were on their way.
  const { records, isWhole } = await lastIssued({
    ...{ atLeast: 2 * maxUnwritten, withinMs: notedOfRunBeforeMs, since },
    maxLines: maxLinesBack,
  })
  if (!isWhole) {
    log.warn(
      'not all that was issued before this start is looked at: the trail is too long, or cut',
      {
        lookedAt: records.length,
        fix: 'where the store could not be written before, revoke what may have been issued then',
      },
    )
  }
  return issuedAmong(records, now)
}

/** What is found is remembered, so that the first request costs so much less. */
function isVouchedFor(
  chain: readonly Buffer[],
  bundles: OauthEndpointDeps['bundles'],
  clock: Clock,
): boolean {
  try {
    verifyAgain(chain, bundles, clock.now())
    return true
  } catch {
    return false
  }
}

/** TLS proves no more than that the client has the key of what it presents; who that is, is asked at each request. */
function createWeb(
  tls: ReturnType<typeof tlsFromFiles>,
  { bundles, config, clock, log }: Pick<OauthEndpointDeps, 'bundles' | 'config' | 'clock' | 'log'>,
): WebServer & { chainOf(socket: Socket): readonly Buffer[] | undefined } {
  const chains = new WeakMap<Socket, readonly Buffer[]>()
  const unproven = createUnproven()
  const guarding = { identity: () => undefined, protocol, handshakeTimeoutMs, clock, log }
  const server = createServer({ ...guardedOptions(guarding), ...httpLimits, ...tls.options() })
  const guard = guardServer<readonly Buffer[], never>(server, {
    ...guarding,
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
    verifyClient: (chain) => chain,
    onConnection(socket, chain) {
      chains.set(socket, chain)
      if (chain.length > 0 && !isVouchedFor(chain, bundles, clock)) unproven.add(socket, chain)
    },
  })
  const app = fastify({
    bodyLimit: maxBodyBytes,
    logger: false,
    serverFactory: (handler) => server.on('request', inTurn(handler)),
  }) as unknown as FastifyInstance
  return {
    app,
    server,
    destroyAll: () => guard.destroyAll(),
    chainOf: (socket) => chains.get(socket),
  }
}

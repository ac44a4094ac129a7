import { dialTls } from '../src/rpc/dial.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { formatHostPort } from '../src/runtime/config-value.ts'
import { createLevelSwitch, createLog } from '../src/runtime/json-log.ts'
import type { Log } from '../src/runtime/log.ts'
import type { Secret } from '../src/runtime/secret.ts'
import { aborted, runTogether } from '../src/runtime/tasks.ts'
import { serveAdminApi } from './admin-endpoint/endpoint.ts'
import { Cache } from './cache/cache.ts'
import { JwtCache } from './cache/jwt.ts'
import { Sealer } from './cache/sealer.ts'
import type { AgentConfig } from './config.ts'
import { openKeyStore } from './key-store/key-store.ts'
import { openMonitoring, sumOf } from './monitoring.ts'
import { ServerConnection } from './node-attestation/connection.ts'
import { AgentIdentity } from './node-attestation/identity.ts'
import { openServerTrust, type ServerTrust } from './node-attestation/server-trust.ts'
import { tokenSource } from './node-attestation/token-file.ts'
import { aboutOf, openSealed, restore, watchOffline } from './offline.ts'
import { reporting } from './sync/applied.ts'
import { follow } from './sync/follow.ts'
import { keepBundle } from './sync/keep-bundle.ts'
import { Membership } from './sync/membership.ts'
import { pollChanges } from './sync/poll.ts'
import { renew } from './sync/renew.ts'
import { issueJwt, openSync, pollCalls, signBatch } from './sync/server-calls.ts'
import { AgentState } from './sync/state.ts'
import { streamChanges } from './sync/stream.ts'
import { withdrawExpired } from './sync/withdraw.ts'
import { unixAttestor } from './workload-attestation/unix.ts'
import { unixExecutableAttestor } from './workload-attestation/unix-executable.ts'
import { serveWorkloadApi, type WorkloadEndpoint } from './workload-endpoint/endpoint.ts'

export interface AgentHooks {
  /** Called once the agent follows a server, or serves from what it has kept. */
  readonly onReady?: () => void
  /** In place of the configured token file: a token whenever this node has to be proved. */
  readonly joinToken?: () => Promise<Secret | undefined>
  readonly log?: Log
}

/** Runs an agent until the signal aborts; resolves when all is closed. */
export async function runAgent(
  config: AgentConfig,
  signal: AbortSignal,
  hooks: AgentHooks = {},
): Promise<void> {
  const logLevel = createLevelSwitch(config.logLevel)
  const log = hooks.log ?? createLog({ level: logLevel, component: 'agent' })
  const clock = systemClock
  const { trustDomain } = config
  const store = await openKeyStore(config.dataDir, trustDomain)
  const state = new AgentState(clock)
  const cache = new Cache({ trustDomain, clock, maxX509Svids: config.x509SvidCacheSize })
  const joinToken = hooks.joinToken ?? tokenSource(config.joinTokenFile)

  let trust: ServerTrust | undefined
  const connection = new ServerConnection({
    addresses: config.serverAddresses,
    dial: (address) =>
      dialTls({
        address: formatHostPort(address),
        // An expired SVID would be refused in the handshake, where without one the node can join.
        identity: () => (identity.isAlive() ? identity.shown() : undefined),
        verifyPeer: (chain) => {
          if (trust === undefined) throw new TypeError('the connection came before the trust')
          return trust.verify(chain)
        },
        clock,
        log,
      }),
  })
  const identity: AgentIdentity = new AgentIdentity({
    trustDomain,
    store,
    trust: {
      verify: (chain) => requireTrust(trust).verify(chain),
      adopt: (bundle) => requireTrust(trust).adopt(bundle),
    },
    connection,
    joinToken,
    bundle: () => cache.bundleOf(trustDomain),
    clock,
    log,
  })
  await identity.load()
  // A living SVID and the bundle that came with it go together; to join anew is to begin anew.
  const held =
    identity.isAlive() || config.trust === undefined ? await store.loadBundle() : undefined
  trust = await openServerTrust({ trustDomain, clock, log }, held, config.trust)

  const channel = () => connection.channel
  const jwt = new JwtCache({
    issue: issueJwt(channel),
    bundles: cache,
    goodFrom: (entryId) => cache.snapshot.goodFrom.get(entryId),
    clock,
    log,
    capacity: config.jwtSvidCacheSize,
  })
  const sealed = await openSealed(config)
  const sealer =
    sealed === undefined
      ? undefined
      : new Sealer({
          sealed,
          cache,
          jwt,
          about: () => aboutOf(state, identity),
          clock,
          log,
        })
  const membership = new Membership({
    identity,
    connection,
    state,
    joinToken,
    async withdraw() {
      cache.clear()
      jwt.clear()
      await sealer?.erase()
    },
    clock,
    log,
  })
  await restore({ config, sealed, identity, cache, jwt, state, log })

  let endpoint: WorkloadEndpoint | undefined
  const monitoring = await openMonitoring(config, state, log, {
    entries: () => cache.snapshot.entries.size,
    x509Svids: () => cache.snapshot.svids.size,
    jwtSvids: () => jwt.size,
    streams: () => endpoint?.stats().streams ?? 0,
    connections: () => endpoint?.stats().connections ?? 0,
    attestorFailures: () => sumOf(endpoint?.stats().attestorFailures.values() ?? []),
    ready: () => state.unavailable() === undefined,
    svidExpirySeconds: () =>
      ((identity.shown()?.expiresAt.getTime() ?? 0) - clock.now().getTime()) / 1000,
  })
  const ready = once(() => {
    log.info('agent is ready', { agentId: identity.agentId, socket: config.socket })
    hooks.onReady?.()
  })
  const ignoreState = state.listen(() => {
    if (state.unavailable() === undefined) ready()
  })
  if (state.unavailable() === undefined) ready()
  const ignoreCache = cache.listen((event) => {
    if (event === 'snapshot') jwt.retain((id) => cache.snapshot.entries.get(id))
  })

  try {
    await runTogether(
      signal,
      (until) =>
        serveWorkloadApi(
          config.socket,
          {
            updates: cache,
            jwt,
            bundles: cache,
            trustDomain,
            unavailable: () => state.unavailable(),
            attestors: attestorsOf(config),
            clock,
            log,
            limits: { streamsPerUid: config.maxStreamsPerUid },
            sds: config.sds,
            socketFolderMode: 0o755,
            ...(monitoring !== undefined && { observe: monitoring.call }),
            onListening: (opened) => {
              endpoint = opened
            },
          },
          until,
        ),
      async (until) => {
        if (config.adminSocket === undefined) return
        await serveAdminApi(
          config.adminSocket,
          {
            updates: cache,
            jwt,
            bundles: {
              all: () => cache.snapshot.bundles,
              listen: (changed) =>
                cache.listen((event) => {
                  if (event === 'snapshot') changed()
                }),
            },
            attestors: attestorsOf(config),
            delegates: config.authorizedDelegates,
            facts: {
              svid: () => identity.shown(),
              lastContact: () => state.health.lastContact,
              entries: () => cache.snapshot.entries.size,
              x509Svids: () => cache.snapshot.svids.size,
              jwtSvids: () => jwt.size,
            },
            unavailable: () => state.unavailable(),
            logLevel,
            clock,
            log,
          },
          until,
        )
      },
      async (until) => {
        await membership.join(until)
        await runTogether(
          until,
          (inner) =>
            follow(
              {
                stream: streamChanges({ trustDomain, open: openSync(channel), clock, log }),
                poll: pollChanges({ trustDomain, calls: pollCalls(channel), clock, log }),
                connection: () => connection.signal,
                cache,
                applied: reporting({ state, identity, channel, log, signal: inner }),
                lost: (error, within) => membership.lost(error, within),
                clock,
                log,
              },
              inner,
            ),
          (inner) => {
            const shown = () => identity.shown()
            return renew({ cache, trustDomain, sign: signBatch(channel), shown, clock, log }, inner)
          },
          (inner) => identity.renew(inner),
        )
      },
      (until) => jwt.run(until),
      (until) => withdrawExpired({ cache, clock }, until),
      (until) => keepBundle({ cache, trustDomain, trust: requireTrust(trust), store, log }, until),
      (until) => sealer?.run(until) ?? aborted(until),
      (until) => watchOffline(state, config, until),
      async (until) => monitoring?.serve(until),
    )
  } finally {
    ignoreState()
    ignoreCache()
    connection.close()
  }
  log.info('agent has stopped')
}

function requireTrust(trust: ServerTrust | undefined): ServerTrust {
  if (trust === undefined) throw new TypeError('the trust in the server is not settled yet')
  return trust
}

function attestorsOf(config: AgentConfig) {
  const { discoverPath, hashSizeLimitBytes } = config.unixAttestor
  return discoverPath
    ? [unixAttestor(), unixExecutableAttestor({ workloadSizeLimitBytes: hashSizeLimitBytes })]
    : [unixAttestor()]
}

function once(act: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    act()
  }
}

import type { BundleLookup } from '../src/bundle/bundle.ts'
import type { CountersignError } from '../src/errors.ts'
import { listenTls, type TlsListener } from '../src/mtls/handshake.ts'
import type { RpcHandler } from '../src/rpc/handler.ts'
import { OpenCalls } from '../src/rpc/open-calls.ts'
import { createRpcServer, type RpcServer } from '../src/rpc/server.ts'
import { type ServiceName, serviceDefinition } from '../src/rpc/services.ts'
import { listenUnix } from '../src/rpc/unix-listener.ts'
import type { Clock } from '../src/runtime/clock.ts'
import type { Log } from '../src/runtime/log.ts'
import { aborted } from '../src/runtime/tasks.ts'
import { SpiffeId } from '../src/spiffe-id/spiffe-id.ts'
import { isAuthorityOf, verifyX509Svid, type X509Svid } from '../src/svid/x509-svid.ts'
import {
  type Caller,
  type Peer,
  type PeerSvid,
  shareOf,
  svidRevoked,
  type TlsPeer,
} from './access/caller.ts'
import type { createGuard } from './access/guard.ts'
import { agentHandlers } from './api/agent.ts'
import { bundleHandlers } from './api/bundle.ts'
import { clockHandlers } from './api/clock.ts'
import { debugHandlers } from './api/debug.ts'
import type { ApiDeps } from './api/deps.ts'
import { entryHandlers } from './api/entry.ts'
import { federationHandlers } from './api/federation.ts'
import { fleetHandlers } from './api/fleet.ts'
import { grantsHandlers } from './api/grants.ts'
import { healthHandlers } from './api/health.ts'
import { legacyHandlers } from './api/legacy.ts'
import { localAuthorityHandlers, tokenAuthorityHandlers } from './api/local-authority.ts'
import { loggerHandlers } from './api/logger.ts'
import { policiesHandlers } from './api/policies.ts'
import { registryHandlers } from './api/registry.ts'
import { revocationHandlers } from './api/revocation.ts'
import { svidHandlers } from './api/svid.ts'
import { syncHandlers } from './api/sync.ts'
import { trustDomainHandlers } from './api/trust-domain.ts'
import type { ServerConfig } from './config.ts'

const maxReceiveBytes = 4 << 20
const maxStreamsPerConnection = 256
/** Of one identity, or of one address without any: an agent has some dozens open when it is busy. */
const maxCallsPerCaller = 2048
/** Of all with an identity, and of all without any, who cannot shut out the others. */
const maxKnownCalls = 65_536
const maxStrangersCalls = 16_384
const handshakeTimeoutMs = 5000
const graceMs = 2000

export interface EndpointDeps extends ApiDeps {
  readonly guard: ReturnType<typeof createGuard>
  readonly identity: () => X509Svid
  readonly observe: (method: string, code: string, elapsedMs: number) => void
}

/** The server's two doors: TLS for agents and admins, a socket of its own for local operators. */
export interface Endpoints {
  readonly rpc: RpcServer<Peer, Caller>
  /** Takes a new SVID of the server's own into use for new connections. */
  refreshIdentity(): void
  /** Ends whatever was begun with an SVID whose authority is no longer in a bundle. */
  cutRevoked(): void
  /** Ends whatever an agent has under way, for one that may do nothing more. */
  cut(agentId: SpiffeId, error: CountersignError): void
}

const services: readonly (readonly [
  ServiceName,
  (deps: EndpointDeps) => Record<string, RpcHandler<Caller>>,
])[] = [
  ['spire.api.server.agent.v1.Agent', agentHandlers],
  ['spire.api.server.bundle.v1.Bundle', bundleHandlers],
  ['spire.api.server.entry.v1.Entry', entryHandlers],
  ['spire.api.server.svid.v1.SVID', svidHandlers],
  ['spire.api.server.logger.v1.Logger', loggerHandlers],
  ['spire.api.server.localauthority.v1.LocalAuthority', localAuthorityHandlers],
  ['spire.api.server.trustdomain.v1.TrustDomain', trustDomainHandlers],
  ['spire.api.server.debug.v1.Debug', debugHandlers],
  ['countersign.sync.v1.Sync', syncHandlers],
  ['countersign.registry.v1.Registry', registryHandlers],
  ['countersign.federation.v1.Federation', federationHandlers],
  ['countersign.fleet.v1.Fleet', fleetHandlers],
  ['countersign.oauth.v1.Grants', grantsHandlers],
  ['countersign.oauth.v1.TokenAuthority', tokenAuthorityHandlers],
  ['countersign.revocation.v1.Revocation', revocationHandlers],
  ['countersign.legacy.v1.Legacy', legacyHandlers],
  ['countersign.policy.v1.Policies', policiesHandlers],
  ['countersign.clock.v1.Clock', clockHandlers],
  ['grpc.health.v1.Health', healthHandlers],
]

/** All that both doors serve. */
export const serviceNames: readonly ServiceName[] = services.map(([name]) => name)

/** Reads the definitions of all services, which whoever waits for something else may as well do now. */
export function readDefinitions(): void {
  for (const name of serviceNames) serviceDefinition(name)
}

/** Every service, behind one guard: what a caller may do is not a matter of the door that it came by. */
export function createApi(deps: EndpointDeps): RpcServer<Peer, Caller> {
  const known = new OpenCalls<string>(maxCallsPerCaller, maxKnownCalls)
  const strangers = new OpenCalls<string>(maxCallsPerCaller, maxStrangersCalls)
  const rpc = createRpcServer<Peer, Caller>({
    enter(peer) {
      // Root and our own user alone come by the socket.
      if (peer.transport === 'unix') return () => {}
      const [open, caller] =
        peer.svid === undefined ? [strangers, shareOf(peer.address)] : [known, peer.svid.spiffeId]
      open.enter(caller)
      return () => open.leave(caller)
    },
    guard: deps.guard,
    maxReceiveBytes,
    maxStreamsPerConnection,
    clock: deps.clock,
    log: deps.log,
    observe: deps.observe,
    onFailure: deps.denied,
  })
  for (const [name, handlersOf] of services) {
    rpc.addService(serviceDefinition(name), handlersOf(deps))
  }
  return rpc
}

/** Opens both doors, and shuts them when the signal aborts. */
export async function openEndpoints(
  config: ServerConfig,
  deps: EndpointDeps,
): Promise<Endpoints & { readonly port: number; serve(signal: AbortSignal): Promise<void> }> {
  const rpc = createApi(deps)
  const admin = await listenUnix({
    path: config.adminSocket,
    mode: 0o600,
    folderMode: 0o700,
    onConnection: (socket, { pid, uid }) => rpc.accept(socket, { transport: 'unix', pid, uid }),
  })
  let tls: TlsListener
  try {
    tls = await listenForAgents(config, deps, rpc)
  } catch (error) {
    await admin.close()
    throw error
  }
  return {
    rpc,
    port: tls.address.port,
    refreshIdentity: () => tls.refreshIdentity(),
    cut(agentId, error) {
      deps.followers.cut(agentId, error)
      rpc.endCalls((peer) => peer.transport === 'tls' && peer.svid?.spiffeId === agentId, error)
    },
    cutRevoked() {
      rpc.endCalls(
        (peer) =>
          peer.transport === 'tls' && peer.svid !== undefined && !trusts(deps.bundles, peer.svid),
        svidRevoked(),
      )
    },
    async serve(signal) {
      await aborted(signal)
      admin.stop()
      await rpc.close(graceMs)
      await Promise.all([tls.close(), admin.close()])
    },
  }
}

function listenForAgents(
  config: ServerConfig,
  deps: EndpointDeps,
  rpc: RpcServer<Peer, Caller>,
): Promise<TlsListener> {
  const { host, port } = config.bindAddress
  return listenTls<TlsPeer>({
    host,
    port,
    identity: deps.identity,
    verifyClient: (chain, address) => identify(chain, address, deps),
    onConnection: (socket, peer) => rpc.accept(socket, peer),
    handshakeTimeoutMs,
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
    clock: deps.clock,
    log: deps.log,
  })
}

/** Whether the authority of an SVID that was shown once is in the bundle of its trust domain still. */
export function trusts(bundles: BundleLookup, svid: PeerSvid): boolean {
  const bundle = bundles.bundleOf(SpiffeId.trustDomainOf(svid.spiffeId))
  return bundle !== undefined && isAuthorityOf(bundle, svid.authority)
}

/** A client may show nothing and is then nobody; what it shows has to be good. */
function identify(
  chain: readonly Buffer[],
  address: string,
  deps: { readonly bundles: EndpointDeps['bundles']; readonly clock: Clock; readonly log: Log },
): TlsPeer {
  if (chain.length === 0) return { transport: 'tls', address }
  const { spiffeId, leaf, authority } = verifyX509Svid(chain, deps.bundles, deps.clock.now())
  return {
    transport: 'tls',
    address,
    svid: { spiffeId, serial: leaf.serial, expiresAt: leaf.notAfter, authority },
  }
}

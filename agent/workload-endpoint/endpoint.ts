import type { Socket } from 'node:net'
import type { BundleLookup } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import { Deadlines } from '../../src/rpc/deadlines.ts'
import { OpenCalls } from '../../src/rpc/open-calls.ts'
import type { PeerCredentials } from '../../src/rpc/peer-credentials.ts'
import { createRpcServer } from '../../src/rpc/server.ts'
import type { ServiceName } from '../../src/rpc/services.ts'
import { closedFolder } from '../../src/rpc/socket-path.ts'
import { listenUnix } from '../../src/rpc/unix-listener.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { aborted } from '../../src/runtime/tasks.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Updates } from '../cache/cache.ts'
import type { JwtSource } from '../cache/jwt.ts'
import type { SdsConfig } from '../sds/names.ts'
import { type Attestation, createAttestation } from '../workload-attestation/attestation.ts'
import type { WorkloadAttestor } from '../workload-attestation/attestor.ts'
import { acceptCaller, type PidFdKind } from '../workload-attestation/caller.ts'
import { FairQueue } from '../workload-attestation/fair-queue.ts'
import { Processes } from '../workload-attestation/processes.ts'
import { mendingAuthority, mendingDescriptors } from './authority.ts'
import { Connections } from './connections.ts'
import { checkSecurityHeader } from './guard.ts'
import { descriptorsForConnections, type EndpointLimits, withDefaults } from './limits.ts'
import type { Peer } from './peer.ts'
import { type ClientKind, peekPreface, readPreface } from './preface.ts'
import { addReflectionService } from './reflection-service.ts'
import { Refusals } from './refusal.ts'
import { addSecretService } from './secret-service.ts'
import { addServices } from './services.ts'

export interface WorkloadEndpointDeps {
  readonly updates: Updates
  readonly jwt: JwtSource
  readonly bundles: BundleLookup
  readonly trustDomain: TrustDomain
  /** Why nothing can be served yet; undefined when it can. Also what health checks are answered by. */
  readonly unavailable: () => CountersignError | undefined
  readonly attestors: readonly WorkloadAttestor[]
  readonly clock: Clock
  readonly log: Log
  readonly limits?: Partial<EndpointLimits>
  /** How secrets are named; undefined: there is no SDS. */
  readonly sds?: SdsConfig | undefined
  /** The mode of the socket's folder where it has to be made; without it a missing folder is refused. */
  readonly socketFolderMode?: number
  /** After each call: `/Service/Rpc`, and `ok` or an error code. */
  readonly observe?: (method: string, code: string, elapsedMs: number) => void
  /** Once the socket is there. */
  readonly onListening?: (endpoint: WorkloadEndpoint) => void
}

export interface EndpointStats {
  readonly connections: number
  /** Users with at least one connection. */
  readonly users: number
  /** Turned away for want of room. */
  readonly refusedConnections: number
  /** Idle ones that gave way to another of the same user. */
  readonly evictedConnections: number
  /** Connections of clients whose `:authority` has to be mended. */
  readonly mendedConnections: number
  readonly streams: number
  readonly streamsByUid: ReadonlyMap<number, number>
  readonly refusedStreams: number
  /** Calls and pushes that wait for their turn. */
  readonly queued: number
  readonly attestorFailures: ReadonlyMap<string, number>
}

export interface WorkloadEndpoint {
  readonly socketPath: string
  stats(): EndpointStats
  /** Streams end as unavailable, the socket's file goes, and nothing is open when this resolves. */
  close(): Promise<void>
}

const refusalTimeoutMs = 1000
/** Of the descriptors for connections, the part that keeps callers' entries in /proc open. */
const processesPart = 16
const maxProcesses = 1024
/** Those that are being told of a refusal hold what is free of the descriptors for connections, and so much of them beyond. */
const refusalPart = 8
/** A session is as much work as so many other jobs: its calls, which have come in, are read at once. */
const sessionJobs = 16
/** A look at what a connection has sent. */
const meetingJobs = 4
/** A status needs a moment on its way before the connection is cut. */
const cutDelayMs = 100

/** Serves until the signal aborts and all is closed. Throws what `listenUnix` throws. */
export async function serveWorkloadApi(
  socketPath: string,
  deps: WorkloadEndpointDeps,
  signal: AbortSignal,
): Promise<void> {
  const endpoint = await openWorkloadEndpoint(socketPath, deps)
  try {
    deps.onListening?.(endpoint)
    await aborted(signal)
  } finally {
    await endpoint.close()
  }
}

/** Serves from when this resolves until `close`. */
export async function openWorkloadEndpoint(
  socketPath: string,
  deps: WorkloadEndpointDeps,
): Promise<WorkloadEndpoint> {
  const { clock, log } = deps
  const limits = withDefaults(deps.limits ?? {})
  const descriptors = limits.descriptors ?? descriptorsForConnections()
  const kept = Math.min(maxProcesses, Math.ceil(descriptors / processesPart))
  const processes = new Processes(kept)
  const capacity = descriptors - kept
  const deadlines = new Deadlines(clock)
  const queue = new FairQueue(clock)
  const attestation: Attestation = createAttestation({
    attestors: deps.attestors,
    queue,
    clock,
    log,
    timeoutMs: limits.attestorTimeoutMs,
  })
  const connections = new Connections(clock, { capacity, idleMs: limits.idleMs })
  const streams = new OpenCalls<number>(limits.streamsPerUid, limits.streams)
  const rpc = createRpcServer<Peer, Peer>({
    enter: (peer) => enter(peer, streams, connections),
    guard: (peer, method, metadata) => {
      checkSecurityHeader(method, metadata)
      return peer
    },
    requestTimeoutMs: limits.requestTimeoutMs,
    maxReceiveBytes: limits.messageBytes,
    // More than one user may have open: what is too much is answered, not kept waiting by the client.
    maxStreamsPerConnection: 2 * limits.streamsPerUid,
    clock,
    log,
    observe: deps.observe,
  })
  const cutting = new WeakSet<Peer>()
  const cut = (peer: Peer, error: CountersignError): void => {
    if (cutting.has(peer)) return
    cutting.add(peer)
    rpc.endCalls((other) => other === peer, error)
    deadlines.set(peer, cutDelayMs, () => peer.connection.socket.destroy())
  }
  const serviceDeps = {
    ...deps,
    limits,
    attestation,
    cut,
  }
  addServices(rpc, serviceDeps)
  const served: ServiceName[] = ['SpiffeWorkloadAPI', 'grpc.health.v1.Health']
  if (deps.sds !== undefined) {
    addSecretService(rpc, { ...serviceDeps, sds: deps.sds })
    served.push('envoy.service.secret.v3.SecretDiscoveryService')
  }
  addReflectionService(rpc, served)

  let pidFdCost = 0
  const onPidFdKind = (kind: PidFdKind): void => {
    if (kind === 'by-socket' || pidFdCost > 0) return
    pidFdCost = 1
    log.warn('the kernel gives no pidfd for a socket (Linux 6.5 has it)', {
      consequence: 'a caller that is replaced before it is accepted may go unnoticed',
    })
  }
  const refusals = new Refusals(tooManyConnections(), deadlines, refusalTimeoutMs)
  let mended = 0
  let accepted = 0

  const makeRoom = (): void =>
    refusals.keep(capacity + Math.ceil(capacity / refusalPart) - connections.stats.descriptors)
  const refuse = (socket: Socket): void => {
    refusals.add(socket)
    makeRoom()
  }

  const serve = (socket: Socket, credentials: PeerCredentials): void => {
    const connection = connections.admit(socket, credentials.uid, 1 + pidFdCost)
    if (connection === undefined) {
      refuse(socket)
      return
    }
    makeRoom()
    accepted += 1
    // At once: what the process has become by its turn would pass for what it was when it connected.
    const caller = acceptCaller(socket, credentials, accepted, processes, onPidFdKind)
    const peer: Peer = { caller, connection }
    socket.once('close', () => {
      caller.release()
      deadlines.clear(peer)
    })
    // Nothing else is: a thousand connections are met in turn with other users' work.
    queue.putOff()
    queue.later(credentials.uid, () => meet(socket, peer))
  }

  const meet = (socket: Socket, peer: Peer): void => {
    if (socket.destroyed) return
    queue.weigh(meetingJobs)
    const kind = peekPreface(socket)
    if (kind !== undefined) {
      accept(socket, kind, peer)
      return
    }
    void readPreface(socket, deadlines, limits.prefaceTimeoutMs).then((later) => {
      if (later !== undefined) {
        queue.soon(peer.connection.uid, () => accept(socket, later, peer))
      }
    })
  }

  const accept = (socket: Socket, kind: ClientKind, peer: Peer): void => {
    if (socket.destroyed) return
    queue.weigh(sessionJobs)
    try {
      if (kind === 'native') {
        rpc.accept(socket, peer)
      } else if (connections.grow(peer.connection, mendingDescriptors)) {
        mended += 1
        rpc.accept(mendingAuthority(socket), peer)
      } else {
        refuse(socket)
      }
    } catch (error) {
      log.error('a connection could not be served', { error })
      socket.destroy()
    }
  }

  const listener = await listenUnix({
    path: socketPath,
    mode: 0o777,
    ...(deps.socketFolderMode === undefined ? {} : { folderMode: deps.socketFolderMode }),
    onConnection: serve,
  })
  log.info('the Workload API is served', { socket: listener.path, descriptors: capacity })
  const closed = closedFolder(listener.path)
  if (closed !== undefined) {
    log.warn('workloads of other users cannot reach the socket', {
      folder: closed,
      fix: 'name a socket outside of it, for example /run/countersign-agent/api.sock',
    })
  }

  return {
    socketPath: listener.path,
    stats: () => ({
      connections: listener.connections,
      users: connections.stats.users,
      refusedConnections: connections.stats.refused,
      evictedConnections: connections.stats.evicted,
      mendedConnections: mended,
      streams: streams.total,
      streamsByUid: streams.byCaller(),
      refusedStreams: streams.refused,
      queued: queue.length,
      attestorFailures: attestation.failures,
    }),
    async close() {
      listener.stop()
      await rpc.close(limits.stopGraceMs)
      await listener.close()
    },
  }
}

/** Counts a call as open, for its user and its connection; what comes back ends that. */
function enter(peer: Peer, streams: OpenCalls<number>, connections: Connections): () => void {
  streams.enter(peer.connection.uid)
  connections.callBegun(peer.connection)
  return () => {
    streams.leave(peer.connection.uid)
    connections.callEnded(peer.connection)
  }
}

function tooManyConnections(): CountersignError {
  return new CountersignError('exhausted', 'too many connections', {
    reason: 'too-many-connections',
    retryAfterMs: 1000,
  })
}

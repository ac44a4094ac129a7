import type { Socket } from 'node:net'
import type { CountersignError } from '../../src/errors.ts'
import type { PeerCredentials } from '../../src/rpc/peer-credentials.ts'
import { createRpcServer } from '../../src/rpc/server.ts'
import { serviceDefinition } from '../../src/rpc/services.ts'
import { listenUnix } from '../../src/rpc/unix-listener.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { LevelSwitch, Log } from '../../src/runtime/log.ts'
import { aborted } from '../../src/runtime/tasks.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { JwtSource } from '../cache/jwt.ts'
import type { Updates } from '../cache/updates.ts'
import { createAttestation } from '../workload-attestation/attestation.ts'
import type { WorkloadAttestor } from '../workload-attestation/attestor.ts'
import { acceptCaller, type Caller } from '../workload-attestation/caller.ts'
import { FairQueue } from '../workload-attestation/fair-queue.ts'
import { Processes } from '../workload-attestation/processes.ts'
import { rightFor } from './access.ts'
import { type AgentFacts, debugHandlers } from './debug.ts'
import { authoriseDelegate } from './delegate.ts'
import { type AdminCaller, type Bundles, delegatedIdentityHandlers } from './delegated-identity.ts'
import { loggerHandlers } from './logger.ts'

export interface AdminEndpointDeps {
  readonly updates: Updates
  readonly jwt: JwtSource
  readonly bundles: Bundles
  readonly attestors: readonly WorkloadAttestor[]
  readonly delegates: ReadonlySet<SpiffeId>
  readonly facts: AgentFacts
  /** Why nothing can be served yet; undefined when it can. */
  readonly unavailable: () => CountersignError | undefined
  readonly logLevel: LevelSwitch
  readonly clock: Clock
  readonly log: Log
}

const maxReceiveBytes = 64 << 10
const maxStreamsPerConnection = 1024
const maxConnections = 64
const attestorTimeoutMs = 5000
const graceMs = 2000

/**
 * Serves the agent's own APIs until the signal aborts, to the user who runs the agent and to root:
 * a socket of mode 0600 in a folder of 0700. Throws what `listenUnix` throws.
 */
export async function serveAdminApi(
  path: string,
  deps: AdminEndpointDeps,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = deps
  const attestation = createAttestation({
    attestors: deps.attestors,
    queue: new FairQueue(clock),
    clock,
    log,
    timeoutMs: attestorTimeoutMs,
  })
  const processes = new Processes(maxConnections)
  const rpc = createRpcServer<Caller, AdminCaller>({
    async guard(caller, method) {
      if (rightFor(method) === 'operator') return { delegate: undefined }
      return { delegate: await authoriseDelegate({ ...deps, attestation }, caller, signal) }
    },
    maxReceiveBytes,
    maxStreamsPerConnection,
    clock,
    log,
  })
  rpc.addService(serviceDefinition('spire.agent.debug.v1.Debug'), debugHandlers(deps.facts, clock))
  rpc.addService(serviceDefinition('spire.api.agent.logger.v1.Logger'), loggerHandlers(deps))
  rpc.addService(
    serviceDefinition('spire.api.agent.delegatedidentity.v1.DelegatedIdentity'),
    delegatedIdentityHandlers({ ...deps, attestation }),
  )
  let open = 0
  let accepted = 0
  const accept = (socket: Socket, credentials: PeerCredentials): void => {
    open += 1
    accepted += 1
    const caller = acceptCaller(socket, credentials, accepted, processes)
    socket.once('close', () => {
      open -= 1
      caller.release()
    })
    rpc.accept(socket, caller)
  }
  const listener = await listenUnix({
    path,
    mode: 0o600,
    folderMode: 0o700,
    admit: () => open < maxConnections,
    onConnection: accept,
  })
  log.info('the admin API is served', { socket: listener.path, delegates: deps.delegates.size })
  try {
    await aborted(signal)
  } finally {
    listener.stop()
    await rpc.close(graceMs)
    await listener.close()
  }
}

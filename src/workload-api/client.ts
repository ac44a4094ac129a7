import { CountersignError } from '../errors.ts'
import { createClient, type RpcClient } from '../rpc/client.ts'
import { dialUnix } from '../rpc/dial.ts'
import type { HealthDefinition } from '../rpc/gen/grpc/health/v1/Health.ts'
import type { SpiffeWorkloadAPIDefinition } from '../rpc/gen/SpiffeWorkloadAPI.ts'
import type { Endpoint } from './endpoint.ts'

/** The security header that each request carries (SPIFFE Workload Endpoint §3). */
const metadata = { 'workload.spiffe.io': 'true' }

/** The Workload API, as a workload sees it. */
export interface WorkloadApi {
  readonly rpc: RpcClient<SpiffeWorkloadAPIDefinition>
  /** Whether the agent serves at all; asks for no header. */
  health(): RpcClient<HealthDefinition>
  readonly metadata: Readonly<Record<string, string>>
  close(): void
}

/** Throws `unimplemented` / `endpoint-tcp`: sockets of this machine only. */
export function openWorkloadApi(endpoint: Endpoint): WorkloadApi {
  if (endpoint.kind === 'tcp') {
    throw new CountersignError('unimplemented', 'a tcp endpoint cannot be dialled yet', {
      reason: 'endpoint-tcp',
      fix: 'name a unix socket',
    })
  }
  const channel = dialUnix(endpoint.path)
  return {
    rpc: createClient('SpiffeWorkloadAPI', channel),
    health: () => createClient('grpc.health.v1.Health', channel),
    metadata,
    close: () => channel.close(),
  }
}

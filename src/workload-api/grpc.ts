import { createClient, type RpcClient } from '../rpc/client.ts'
import { type DialPlainOptions, dialTcp, dialUnix } from '../rpc/dial.ts'
import type { HealthDefinition } from '../rpc/gen/grpc/health/v1/Health.ts'
import type { SpiffeWorkloadAPIDefinition } from '../rpc/gen/SpiffeWorkloadAPI.ts'
import type { Endpoint } from './endpoint.ts'

// The one file of this room that loads gRPC: the others load it by the first call.

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

/** Throws `invalid` / `socket-path` where the path is too long for a socket. */
export function openWorkloadApi(endpoint: Endpoint, options?: DialPlainOptions): WorkloadApi {
  const channel =
    endpoint.kind === 'unix'
      ? dialUnix(endpoint.path, options)
      : dialTcp(endpoint.host, endpoint.port, options)
  return {
    rpc: createClient('SpiffeWorkloadAPI', channel),
    health: () => createClient('grpc.health.v1.Health', channel),
    metadata,
    close: () => channel.close(),
  }
}

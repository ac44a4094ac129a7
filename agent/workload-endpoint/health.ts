import { CountersignError } from '../../src/errors.ts'
import type { HealthCheckRequest } from '../../src/rpc/gen/grpc/health/v1/HealthCheckRequest.ts'
import type { HealthCheckResponse$Input } from '../../src/rpc/gen/grpc/health/v1/HealthCheckResponse.ts'
import type { HealthListResponse$Input } from '../../src/rpc/gen/grpc/health/v1/HealthListResponse.ts'
import type { Clock } from '../../src/runtime/clock.ts'

type Status = 'SERVING' | 'NOT_SERVING'

export interface HealthDeps {
  readonly serving: () => boolean
  readonly clock: Clock
}

const services: readonly string[] = ['', 'SpiffeWorkloadAPI']
const watchEveryMs = 500

export function checkHealth(
  deps: HealthDeps,
  request: HealthCheckRequest,
): HealthCheckResponse$Input {
  if (!services.includes(request.service)) {
    throw new CountersignError('not-found', 'there is no such service', {
      reason: 'health-service-unknown',
    })
  }
  return { status: statusOf(deps) }
}

export function listHealth(deps: HealthDeps): HealthListResponse$Input {
  const status = statusOf(deps)
  return { statuses: Object.fromEntries(services.map((service) => [service, { status }])) }
}

/** The status now and after each change; a service that is not known may yet come, says gRPC. */
export async function* watchHealth(
  deps: HealthDeps,
  request: HealthCheckRequest,
  signal: AbortSignal,
): AsyncGenerator<HealthCheckResponse$Input> {
  let last: string | undefined
  for (;;) {
    const status = services.includes(request.service) ? statusOf(deps) : 'SERVICE_UNKNOWN'
    if (status !== last) {
      last = status
      yield { status }
    }
    await deps.clock.sleep(watchEveryMs, signal)
  }
}

function statusOf(deps: HealthDeps): Status {
  return deps.serving() ? 'SERVING' : 'NOT_SERVING'
}

import { CountersignError } from '../../src/errors.ts'
import type { HealthCheckRequest } from '../../src/rpc/gen/grpc/health/v1/HealthCheckRequest.ts'
import { type RpcHandler, serverStream, unary } from '../../src/rpc/handler.ts'
import type { Caller } from '../access/caller.ts'
import type { ApiDeps } from './deps.ts'

type ServingStatus = 'SERVING' | 'NOT_SERVING'

const watchEveryMs = 500

/** grpc.health.v1.Health: the server as a whole, under the empty name. */
export function healthHandlers({
  notReady,
  clock,
}: Pick<ApiDeps, 'notReady' | 'clock'>): Record<string, RpcHandler<Caller>> {
  const status = async (): Promise<ServingStatus> =>
    (await notReady()) === undefined ? 'SERVING' : 'NOT_SERVING'
  return {
    Check: unary(async ({ service }: HealthCheckRequest) => {
      if (service !== '') {
        throw new CountersignError('not-found', 'unknown service', { reason: 'health-service' })
      }
      return { status: await status() }
    }),
    List: unary(async () => ({ statuses: { '': { status: await status() } } })),
    Watch: serverStream(async function* ({ service }: HealthCheckRequest, { signal }) {
      if (service !== '') {
        yield { status: 'SERVICE_UNKNOWN' }
        return
      }
      let told: ServingStatus | undefined
      while (!signal.aborted) {
        const now = await status()
        if (now !== told) yield { status: now }
        told = now
        await clock.sleep(watchEveryMs, signal)
      }
    }),
  }
}

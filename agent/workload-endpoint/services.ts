import { CountersignError } from '../../src/errors.ts'
import type { CallContext, PushCall } from '../../src/rpc/call-context.ts'
import type { HealthCheckRequest } from '../../src/rpc/gen/grpc/health/v1/HealthCheckRequest.ts'
import type { JWTSVIDRequest } from '../../src/rpc/gen/JWTSVIDRequest.ts'
import type { ValidateJWTSVIDRequest } from '../../src/rpc/gen/ValidateJWTSVIDRequest.ts'
import { pushStream, type RpcHandler, serverStream, unary } from '../../src/rpc/handler.ts'
import type { RpcServer } from '../../src/rpc/server.ts'
import { serviceDefinition } from '../../src/rpc/services.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { Need, WorkloadUpdate } from '../cache/cache.ts'
import type { Attestation } from '../workload-attestation/attestation.ts'
import { checkJwtRequest, fetchJwtSvids } from './fetch-jwt-svid.ts'
import type { AttestedCall, HandlerDeps } from './handler-deps.ts'
import { checkHealth, listHealth, watchHealth } from './health.ts'
import { encodeJwtBundles, encodeX509Bundles, encodeX509Svids } from './messages.ts'
import type { Peer } from './peer.ts'
import { encodedOnce, type PushTarget, pushUpdates } from './push.ts'
import { checkValidateRequest, validateJwtSvid } from './validate-jwt-svid.ts'

export interface ServiceDeps extends HandlerDeps {
  readonly unavailable: () => CountersignError | undefined
  readonly attestation: Attestation
  readonly log: Log
  /** Ends every call of the peer and closes its connection. */
  readonly cut: (peer: Peer, error: CountersignError) => void
}

export type Context = CallContext<Peer>

/** What a look at the process may say: nothing that comes over this connection can succeed again. */
const lostCaller: ReadonlySet<string> = new Set([
  'caller-gone',
  'caller-changed',
  'caller-invisible',
])

/** The Workload API and gRPC's health service. The calls of the WIT profile answer UNIMPLEMENTED. */
export function addServices(rpc: RpcServer<Peer, Peer>, deps: ServiceDeps): void {
  rpc.addService(serviceDefinition('SpiffeWorkloadAPI'), {
    FetchX509SVID: stateStream(deps, encodeX509Svids, 'svids'),
    FetchX509Bundles: stateStream(deps, encodeX509Bundles, 'bundles'),
    FetchJWTBundles: stateStream(deps, encodeJwtBundles, 'bundles'),
    FetchJWTSVID: unary((request: JWTSVIDRequest, context: Context) => {
      const question = checkJwtRequest(request, deps.limits)
      return attested(deps, context, (call) => fetchJwtSvids(deps, call, question))
    }),
    ValidateJWTSVID: unary((request: ValidateJWTSVIDRequest, context: Context) => {
      checkValidateRequest(request, deps.limits)
      return attested(deps, context, (call) => validateJwtSvid(deps, call, request))
    }),
  })
  const health = { serving: () => deps.unavailable() === undefined, clock: deps.clock }
  rpc.addService(serviceDefinition('grpc.health.v1.Health'), {
    Check: unary((request: HealthCheckRequest) => checkHealth(health, request)),
    List: unary(() => listHealth(health)),
    Watch: serverStream((request: HealthCheckRequest, context: Context) =>
      watchHealth(health, request, context.signal),
    ),
  })
}

function stateStream(
  deps: ServiceDeps,
  encode: (update: WorkloadUpdate, leftOut: (ids: readonly string[]) => void) => Buffer,
  need: Need,
): RpcHandler<Peer> {
  const encoded = encodedOnce((update) =>
    encode(update, (trustDomains) =>
      deps.log.warn('bundles of others are too large for a message, and left out', {
        trustDomains,
      }),
    ),
  )
  return pushStream((_request: object, context: PushCall<Peer>) => {
    const call: PushTarget = {
      get ended() {
        return context.ended
      },
      send: (message, sent) => context.send(message, sent),
      fail: (error) => context.fail(cutWhereLost(deps, context, error)),
      onEnd: (listener) => context.onEnd(listener),
    }
    attest(deps, context).then(
      (caller) => pushUpdates(deps.updates, caller, call, encoded, need),
      (error) => call.fail(error),
    )
  })
}

export async function attested<T>(
  deps: ServiceDeps,
  context: Context,
  answer: (call: AttestedCall) => Promise<T>,
): Promise<T> {
  try {
    return await answer(await attest(deps, context))
  } catch (error) {
    throw cutWhereLost(deps, context, error)
  }
}

export async function attest(deps: ServiceDeps, context: Context): Promise<AttestedCall> {
  const unavailable = deps.unavailable()
  if (unavailable !== undefined) throw unavailable
  const attested = await deps.attestation.attest(context.caller.caller, context)
  return {
    ...attested,
    get signal() {
      return context.signal
    },
  }
}

export function cutWhereLost(deps: ServiceDeps, context: Context, error: unknown): unknown {
  if (error instanceof CountersignError && lostCaller.has(error.reason)) {
    deps.cut(context.caller, error)
  }
  return error
}

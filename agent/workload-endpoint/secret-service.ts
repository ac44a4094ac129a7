import type { DiscoveryRequest } from '../../src/rpc/gen/envoy/service/discovery/v3/DiscoveryRequest.ts'
import { bidiStream, type RpcHandler, unary } from '../../src/rpc/handler.ts'
import type { RpcServer } from '../../src/rpc/server.ts'
import { serviceDefinition } from '../../src/rpc/services.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { WorkloadUpdate } from '../cache/cache.ts'
import { hearChange, sayChange } from '../sds/delta.ts'
import type { SdsConfig } from '../sds/names.ts'
import { type Secrets, secretsBy } from '../sds/secrets.ts'
import { newSession } from '../sds/session.ts'
import { hearState, sayState } from '../sds/state-of-the-world.ts'
import { currentUpdate, noIdentity, svidPending } from './handler-deps.ts'
import type { Peer } from './peer.ts'
import { createSecretLog } from './secret-log.ts'
import { type Protocol, serveSecrets } from './secret-stream.ts'
import { attest, attested, type Context, cutWhereLost, type ServiceDeps } from './services.ts'

export interface SecretServiceDeps extends ServiceDeps {
  readonly sds: SdsConfig
  readonly log: Log
}

/** Envoy's secret discovery service, v3. */
export function addSecretService(rpc: RpcServer<Peer, Peer>, deps: SecretServiceDeps): void {
  const asConfigured = secretsBy(deps.sds)
  const plain = secretsBy({ ...deps.sds, disableSpiffeCertValidation: true })
  const secretsOf = (update: WorkloadUpdate, wantsPlain: boolean): Secrets =>
    (wantsPlain ? plain : asConfigured)(update)
  const log = createSecretLog(deps.log, deps.clock)

  const stream = <Request, Response>(protocol: Protocol<Request, Response>): RpcHandler<Peer> =>
    bidiStream(async function* (requests: AsyncIterable<Request>, context: Context) {
      try {
        yield* serveSecrets(protocol, requests, {
          updates: deps.updates,
          secretsOf,
          attest: () => attest(deps, context),
          onRefusal: (message) => log.refused(context.caller, message),
          onAbsent: (absent) => log.absent(context.caller, absent),
        })
      } catch (error) {
        throw cutWhereLost(deps, context, error)
      }
    })

  rpc.addService(serviceDefinition('envoy.service.secret.v3.SecretDiscoveryService'), {
    StreamSecrets: stream({ hear: hearState, say: sayState }),
    DeltaSecrets: stream({ hear: hearChange, say: sayChange }),
    FetchSecrets: unary((request: DiscoveryRequest, context: Context) => {
      const { session } = hearState(newSession, request)
      return attested(deps, context, async (call) => {
        const update = currentUpdate(deps, call)
        if (update.entries.length === 0) throw noIdentity()
        const said = sayState(session, secretsOf(update, session.plain))
        if (said === undefined) throw svidPending()
        const [missing] = said.absent
        if (missing !== undefined && said.response.resources?.length === 0) throw missing.error
        call.confirm()
        return said.response
      })
    }),
  })
}

import { serveMonitoring } from '../src/runtime/monitoring.ts'
import { runTogether } from '../src/runtime/tasks.ts'
import { type LookBack, lastIssued } from './audit/run-before.ts'
import type { Trail } from './audit/trail.ts'
import type { ServerConfig } from './config.ts'
import type { EndpointDeps } from './endpoints.ts'
import type { ServerMetrics } from './metrics.ts'
import type { OpenedForeignClients } from './oauth/open-foreign-clients.ts'
import type { RefusalRecord } from './oauth/refusals.ts'

export interface HttpDeps
  extends Pick<
    EndpointDeps,
    | 'bundles'
    | 'ca'
    | 'changes'
    | 'clock'
    | 'federation'
    | 'identity'
    | 'index'
    | 'legacyKeyHash'
    | 'log'
    | 'notReady'
    | 'policies'
    | 'revocations'
    | 'store'
    | 'trustDomain'
  > {
  readonly trail: Pick<Trail, 'append' | 'head'>
  readonly metrics: Pick<
    ServerMetrics,
    'registry' | 'canary' | 'feedReaders' | 'feedLag' | 'events' | 'eventsWaiting'
  >
  readonly foreign: OpenedForeignClients
  /** Of requests for access tokens, and about them. */
  readonly refusals: RefusalRecord
  /** Called once by each of `httpDoors` when it can be called. */
  readonly opened: () => void
  /** Who is told that the server's own SVID is another one. */
  readonly identityUsers: Set<() => void>
}

/** How many doors `serveHttp` opens to others than who watches the server. */
export function httpDoors({ oidc, oauth, federation }: ServerConfig): number {
  return [oidc, oauth, federation.endpoint].filter((door) => door !== undefined).length
}

/**
 * What is served over HTTP, as far as it is asked for: monitoring, the issuer's discovery documents, access
 * tokens, and the trust domain's own bundle. Few servers need the last three, and they cost memory, so that they are
 * loaded where they are used.
 */
export async function serveHttp(
  config: ServerConfig,
  deps: HttpDeps,
  signal: AbortSignal,
): Promise<void> {
  const { bundles, identity, identityUsers, log, metrics, notReady, opened, policies } = deps
  const { httpAddress, oidc, oauth, federation } = config
  const authorityTtlSeconds = config.ca.ttlSeconds
  const ownBundle = () => bundles.own()
  const onIdentityChange = (listener: () => void) => {
    identityUsers.add(listener)
    return () => void identityUsers.delete(listener)
  }
  await runTogether(
    signal,
    async (until) => {
      if (httpAddress === undefined) return
      await serveMonitoring(httpAddress, { notReady, metrics: metrics.registry }, log, until)
    },
    async (until) => {
      if (oidc === undefined) return
      const { serveOidc } = await import('./oidc/endpoint.ts')
      await serveOidc(oidc, { ownBundle, authorityTtlSeconds, opened, log }, until)
    },
    async (until) => {
      if (oauth === undefined || policies === undefined) return
      const { serveOauth } = await import('./oauth/endpoint.ts')
      const source = { ...bundles, svid: identity, onUpdate: onIdentityChange }
      const oauthDeps = {
        ...{ ...deps, bundles: deps.federation.fresh, policies, source },
        foreignClients: deps.foreign,
        ...{ authorityTtlSeconds, config },
        ...{ observe: metrics.canary, observeReaders: metrics.feedReaders },
        ...{ observeLag: metrics.feedLag, observeEvents: metrics.events },
        observeWaiting: metrics.eventsWaiting,
        lastIssued: (lookBack: LookBack) =>
          lastIssued(config.auditFile, deps.trail.head().number, lookBack),
      }
      await serveOauth(oauth, oauthDeps, until)
    },
    async (until) => {
      if (federation.endpoint === undefined) return
      const { serveBundle } = await import('./bundle/endpoint.ts')
      const bundleDeps = { ownBundle, identity, onIdentityChange, opened, log }
      await serveBundle(federation.endpoint, bundleDeps, until)
    },
  )
}

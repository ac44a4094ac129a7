import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CountersignError } from '../errors.ts'
import { readDocument } from '../oauth-client/issuer-answer.ts'
import { issuerHttps } from '../oauth-client/issuer-https.ts'
import { OauthClient } from '../oauth-client/oauth-client.ts'
import { createVerifier } from '../resource-server/verifier.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import type { HostPort } from '../runtime/config-value.ts'
import { eachMinute } from '../runtime/each-minute.ts'
import { createLog } from '../runtime/json-log.ts'
import type { Log } from '../runtime/log.ts'
import { runTogether } from '../runtime/tasks.ts'
import { X509Source } from '../workload-api/x509-source.ts'
import { createDecider } from './decide.ts'
import type { ForwardAuthMetrics } from './metrics.ts'
import { serveDoor } from './serve.ts'
import type { ForwardAuthSettings, ProxyKind, Service } from './settings.ts'

export interface ForwardAuthHooks {
  readonly clock?: Clock
  readonly log?: Log
  /** Told of each door. */
  readonly onReady?: (at: HostPort | string) => void
}

/**
 * Answers proxies about requests until the signal aborts. Throws `unavailable` `forward-auth-address`, and as
 * `listenUnix` and `X509Source.open`.
 */
export async function runForwardAuth(
  settings: ForwardAuthSettings,
  signal: AbortSignal,
  hooks: ForwardAuthHooks = {},
): Promise<void> {
  const { clock = systemClock, onReady } = hooks
  const log = hooks.log ?? createLog({ level: settings.logLevel, component: 'forward-auth' })
  if (!settings.revocations && !settings.introspect) {
    log.warn(
      'what is revoked does not reach this endpoint: its tokens are good until they expire',
      {
        fix: 'set revocations and introspect, and name this workload in served_by of the resources',
      },
    )
  }
  const ca = settings.issuerCa === undefined ? undefined : [settings.issuerCa]
  const source = needsIdentity(settings)
    ? await openSource(settings, { clock, log }, signal)
    : undefined
  const issuer = issuerHttps(undefined, ca, clock)
  const client =
    source &&
    new OauthClient({
      ...{ issuer: settings.issuer, endpoints: settings.endpoints, source, clock },
      // It asks nobody else.
      authorize: () => false,
      ...(ca !== undefined && { ca }),
    })
  const lost = eachMinute(clock, reasonOf, (error) =>
    log.warn('the feed of revocations was lost', { error }),
  )
  // A feed that ends is begun anew.
  const feedTrouble = (error: CountersignError): void => {
    if (error.reason !== 'feed-ended') lost(error)
  }
  const feed = settings.revocations ? client?.revocations(feedTrouble) : undefined
  const standing = {
    ...(client && settings.introspect && { introspect: client.introspect }),
    ...(feed && { revocations: feed }),
  }
  const verifierOf = ({ resource, requireBound }: Service) =>
    createVerifier({
      issuer: settings.issuer,
      audience: resource,
      requireBound,
      clock,
      jwks: async () => readDocument(await issuer.get(settings.endpoints.keys)),
      onTrouble: eachMinute(clock, reasonOf, (error) =>
        log.warn('tokens cannot be verified', { resource, error }),
      ),
      ...standing,
    })
  const decide = createDecider(settings.services, verifierOf)
  const { httpAddress } = settings
  const metrics = httpAddress && (await openMetrics(() => feed?.ageMs()))
  try {
    await runTogether(
      signal,
      ...settings.doors.map((door) => (until: AbortSignal) => {
        const answer = answerWith(decide, door.proxy, { clock, log, metrics })
        return serveDoor(door, answer, { source, clock, log, onReady }, until)
      }),
      async (until) => {
        if (httpAddress === undefined || metrics === undefined) return
        const { serveMonitoring } = await import('../runtime/monitoring.ts')
        // While the feed is late, the issuer is asked, and what cannot be decided is refused: it does its work.
        const monitored = { metrics: metrics.registry, notReady: async () => undefined }
        await serveMonitoring(httpAddress, monitored, log, until)
      },
    )
  } finally {
    await client?.close()
    issuer.close()
    await source?.close()
  }
}

function reasonOf({ reason }: CountersignError): string {
  return reason
}

function needsIdentity({ doors, introspect, revocations }: ForwardAuthSettings): boolean {
  return introspect || revocations || doors.some((door) => 'address' in door)
}

/** Waits for an agent that is not there yet, and for the first SVID. */
function openSource(
  { workloadApi, spiffeId }: ForwardAuthSettings,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  signal: AbortSignal,
) {
  return X509Source.open({
    signal,
    clock,
    onError: (error) => log.warn('the Workload API does not answer as it should', { error }),
    ...(workloadApi !== undefined && { endpoint: `unix://${workloadApi}` }),
    ...(spiffeId !== undefined && { spiffeId }),
  })
}

/** Loaded where somebody can ask for them only. */
async function openMetrics(feedAgeMs: () => number | undefined): Promise<ForwardAuthMetrics> {
  const { createForwardAuthMetrics } = await import('./metrics.ts')
  return createForwardAuthMetrics(feedAgeMs)
}

type Decider = ReturnType<typeof createDecider>

function answerWith(
  decide: Decider,
  proxy: ProxyKind,
  deps: {
    readonly clock: Clock
    readonly log: Log
    readonly metrics: ForwardAuthMetrics | undefined
  },
) {
  const { clock, log, metrics } = deps
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // A proxy that sends a body along is set up wrongly: it may be large, and nobody here reads it.
    const hasBody =
      request.headers['transfer-encoding'] !== undefined ||
      (request.headers['content-length'] ?? '0') !== '0'
    if (hasBody) {
      response.writeHead(400, { connection: 'close' }).end()
      return
    }
    const askedMs = clock.monotonicMs()
    const { status, headers, body, service, error } = await decide(request, proxy)
    metrics?.decision(service, error?.reason ?? 'allowed', clock.monotonicMs() - askedMs)
    if (status === 500) log.error('a request could not be decided on', { error })
    else if (error !== undefined) log.debug('a request was refused', { reason: error.reason })
    response.writeHead(status, { ...headers, 'cache-control': 'no-store' }).end(body)
  }
}

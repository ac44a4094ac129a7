import type { Log } from '../../src/runtime/log.ts'
import type { BrokerConfig } from './config.ts'
import type { BrokerGauges } from './metrics.ts'
import { openRoutes, type Route, type RoutesDeps, retireRoutes, shutRoute } from './routes.ts'

/** The routes in force, and how others come in their place. */
export interface RouteTable extends BrokerGauges {
  readonly current: () => ReadonlyMap<string, Route>
  /** Reads configuration and secrets again. What cannot be used changes nothing, and is logged. */
  reload(): Promise<void>
  /** Shuts integrations for good: calls under way are ended at once. */
  shut(which: (route: Route) => boolean, at: Date): void
  close(): void
}

export interface RouteTableDeps extends RoutesDeps {
  /** The configuration as it is by now. Throws where it is unsound. */
  readonly read: () => Promise<BrokerConfig>
  readonly log: Log
}

/** A secret that is older than four fifths of its time is warned of. */
const warnPart = 0.8

/** Throws as `openRoutes`. */
export async function openRouteTable(
  config: BrokerConfig,
  deps: RouteTableDeps,
): Promise<RouteTable> {
  const { credentials, clock, log } = deps
  let routes = await openRoutes(config, deps)
  let reloading = Promise.resolve()
  const warnOfAge = (): void => {
    for (const { integration } of routes.values()) {
      const { id, maxAgeSeconds } = integration
      const days = Math.floor(ageSeconds(id) / 86_400)
      if (maxAgeSeconds !== undefined && ageSeconds(id) > warnPart * maxAgeSeconds) {
        log.warn('a vendor’s key is near the end of its time, or past it', {
          integration: id,
          days,
        })
      }
    }
  }
  const ageSeconds = (id: string): number => {
    const since = credentials.record(id)?.since ?? clock.now()
    return Math.max(0, clock.now().getTime() - since.getTime()) / 1000
  }
  const reload = async (): Promise<void> => {
    try {
      const next = await openRoutes(await deps.read(), deps)
      const old = routes
      routes = next
      retireRoutes(old, next)
      log.info('the configuration has been read again', { integrations: next.size })
      warnOfAge()
    } catch (error) {
      log.error('the configuration is kept as it was: the new one cannot be used', { error })
    }
  }
  warnOfAge()
  return {
    current: () => routes,
    reload() {
      reloading = reloading.then(reload)
      return reloading
    },
    shut(which, at) {
      for (const route of routes.values()) {
        if (!which(route)) continue
        credentials.close(route.integration.id, at)
        shutRoute(route)
      }
    },
    close() {
      for (const route of routes.values()) shutRoute(route)
    },
    *ages() {
      for (const id of routes.keys()) yield [id, ageSeconds(id)]
    },
    *underWay() {
      for (const [id, { calls }] of routes) yield [id, calls.underWay()]
    },
  }
}

import { CountersignError } from '../../../src/errors.ts'
import type { Log } from '../../../src/runtime/log.ts'
import type { BrokerConfig } from '../config.ts'
import type { Standing } from '../issuer/standing.ts'
import { isClosed } from '../keys/credentials.ts'
import { takeKeys } from '../keys/key-change.ts'
import { readSecret } from '../keys/secrets.ts'
import type { BrokerGauges } from '../metrics.ts'
import {
  keysAfter,
  openRoutes,
  type Route,
  type RoutesDeps,
  retireRoutes,
  shutRoute,
} from './routes.ts'

/** The routes in force, and how others come in their place. */
export interface RouteTable extends Omit<BrokerGauges, 'feedAgeMs'> {
  readonly current: () => ReadonlyMap<string, Route>
  /** Reads configuration and secrets again. What cannot be used changes nothing, and is logged. */
  reload(): Promise<void>
  /** Reads the secret of one integration again; calls that have begun keep theirs. Rejects as `readSecret` and `takeKeys`. */
  takeKey(integration: string): Promise<void>
  /** Something was revoked: shuts integrations that it hits for good, and ends calls of whom it hits. */
  review(): void
  /** Policies have changed: ends the calls under way that could not begin now. */
  checkAgain(): void
  /** Ends all calls, since the broker stops, and begins no more. */
  close(): void
}

export interface RouteTableDeps extends RoutesDeps {
  /** The configuration as it is by now. Throws where it is unsound. */
  readonly read: () => Promise<BrokerConfig>
  readonly standing: Pick<Standing, 'isShut' | 'judge'>
  readonly log: Log
}

/** A secret that is older than four fifths of its time is warned of. */
const warnPart = 0.8

/** Throws as `openRoutes`. */
export async function openRouteTable(
  config: BrokerConfig,
  deps: RouteTableDeps,
): Promise<RouteTable> {
  const { credentials, standing, clock, log } = deps
  let routes = await openRoutes(config, deps)
  let changing = Promise.resolve()
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
      const wanted = await deps.read()
      checkSame(config, wanted)
      const next = await openRoutes(wanted, deps, routes)
      const old = routes
      routes = next
      retireRoutes(old, next)
      table.review()
      table.checkAgain()
      log.info('the configuration has been read again', { integrations: next.size })
      warnOfAge()
    } catch (error) {
      log.error('the configuration is kept as it was: the new one cannot be used', { error })
    }
  }
  const takeKey = async (id: string): Promise<void> => {
    const route = routes.get(id)
    if (route === undefined) return
    const { integration, keys } = route
    const secret = await readSecret(integration, deps)
    if (secret.equals(keys.current.secret)) return
    await takeKeys([{ integration, secret }], deps)
    routes = new Map(routes).set(id, { ...route, keys: keysAfter(route, integration, secret) })
    log.info('another key of a vendor is in use', { integration: id })
  }
  const oneByOne = (change: () => Promise<void>): Promise<void> => {
    const done = changing.then(change)
    changing = done.catch(() => {})
    return done
  }
  warnOfAge()
  const table: RouteTable = {
    current: () => routes,
    reload: () => oneByOne(reload),
    takeKey: (id) => oneByOne(() => takeKey(id)),
    review() {
      for (const route of routes.values()) {
        const { integration, calls } = route
        calls.review(standing.judge)
        if (!standing.isShut(integration)) continue
        shutRoute(route)
        // A later fact about the same is no other shutting.
        if (isClosed(credentials.record(integration.id), integration.reopenedAt)) continue
        log.warn('an integration was shut by a revocation', { integration: integration.id })
        try {
          credentials.close(integration.id, clock.now())
        } catch (error) {
          // It is known here, and written down with what changes next; the others have to be shut all the same.
          log.error('that an integration was shut cannot be written down', { error })
        }
      }
    },
    checkAgain() {
      for (const { calls } of routes.values()) calls.checkAgain()
    },
    close() {
      for (const route of routes.values()) shutRoute(route, stopping())
    },
    *ages() {
      for (const id of routes.keys()) yield [id, ageSeconds(id)]
    },
    *underWay() {
      for (const [id, { calls }] of routes) yield [id, calls.underWay()]
    },
  }
  return table
}

function stopping(): CountersignError {
  return new CountersignError('unavailable', 'the broker is stopping', {
    reason: 'broker-stopping',
    retryAfterMs: 1000,
  })
}

/** Throws `invalid` `config-restart` where more than integrations has changed. */
function checkSame(before: BrokerConfig, after: BrokerConfig): void {
  const { integrations: _, logLevel: __, ...same } = before
  for (const [key, value] of Object.entries(same)) {
    if (JSON.stringify(after[key as keyof BrokerConfig]) === JSON.stringify(value)) continue
    throw new CountersignError('invalid', `${key} of the configuration has changed`, {
      reason: 'config-restart',
      fix: 'start the broker anew: of a running one only the integrations change',
    })
  }
}

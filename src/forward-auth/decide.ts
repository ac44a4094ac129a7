import type { IncomingMessage } from 'node:http'
import { CountersignError } from '../errors.ts'
import { type Refusal, refusalOf, type Wanted } from '../middleware/refusal.ts'
import { type AccessCheck, accessCheck } from '../resource-server/access-check.ts'
import type { Access } from '../resource-server/access-token.ts'
import type { Verifier } from '../resource-server/verifier.ts'
import { routeFinder } from './find-route.ts'
import { readProxied } from './proxied-request.ts'
import type { ProxyKind, Route, Service } from './settings.ts'

/** What a proxy is told. */
export interface Decision {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Which of the services it is about, where it is one. */
  readonly service?: string
  /** Why not, for the log. */
  readonly error?: CountersignError
}

interface Guarded extends Route {
  readonly check: AccessCheck
  readonly wanted: Wanted
}

const findNone = routeFinder<Guarded>([])

/** Decides on requests that proxies ask about; never rejects. */
export function createDecider(
  services: ReadonlyMap<string, Service>,
  verifierOf: (service: Service) => Verifier,
): (request: IncomingMessage, proxy: ProxyKind) => Promise<Decision> {
  const guarded = new Map<string, (method: string, path: string) => Guarded>()
  for (const [name, service] of services) {
    const verifier = verifierOf(service)
    guarded.set(
      name,
      routeFinder(service.routes.map((route) => ({ ...route, ...checkOf(route, verifier) }))),
    )
  }
  return async (request, proxy) => {
    let wanted: Wanted | undefined
    let about: Pick<Decision, 'service'> = {}
    try {
      const asked = readProxied(request, proxy)
      const { service, method, path, authorizations, certificate } = asked
      const find = guarded.get(service)
      if (find !== undefined) about = { service }
      const route = (find ?? findNone)(method, path)
      wanted = route.wanted
      return { ...about, ...allowed(await route.check(authorizations, certificate)) }
    } catch (error) {
      return { ...about, ...refused(error, proxy, wanted) }
    }
  }
}

function checkOf({ scopes, allowUntilExpiry }: Route, verifier: Verifier) {
  const whenUnknown = allowUntilExpiry ? 'allow-until-expiry' : 'deny'
  return accessCheck({ verifier, scopes, whenUnknown })
}

/** For the service behind the proxy, which hands them on. */
function allowed(access: Access): Decision {
  const { subject, clientId, scopes, actors } = access
  const headers = {
    'countersign-subject': subject,
    'countersign-client-id': clientId,
    'countersign-scope': [...scopes].join(' '),
    'countersign-actors': actors.join(' '),
  }
  // What another issuer calls somebody may be anything; in a header it is to be one name.
  const unsound = ![subject, clientId, ...scopes, ...actors].every((name) =>
    /^[\x21-\x7e]+$/.test(name),
  )
  if (unsound) {
    throw new CountersignError('forbidden', 'a name in the token cannot be told on', {
      reason: 'token-name',
    })
  }
  return { status: 200, headers, body: '' }
}

function refused(error: unknown, proxy: ProxyKind, wanted?: Wanted): Decision {
  if (!(error instanceof CountersignError)) return fault(error)
  let refusal: Refusal
  try {
    refusal = refusalOf(error, wanted)
  } catch {
    return fault(error)
  }
  // What nginx takes for no: any other status is a fault to it, which it answers with 500.
  const status = proxy === 'nginx' && refusal.status === 400 ? 401 : refusal.status
  return { ...refusal, status, error }
}

function fault(cause: unknown): Decision {
  const error = new CountersignError('internal', 'internal error', { reason: 'internal', cause })
  return { status: 500, headers: {}, body: '', error }
}

import { CountersignError } from '../errors.ts'
import { foldedPath } from '../request-target/folded-path.ts'
import { matchesPath } from '../request-target/path-pattern.ts'
import type { Route } from './settings.ts'

/**
 * What finds the first route of a method and a canonical path, as both are written. It throws `forbidden`:
 * `route-unknown`; `route-ambiguous` where a server may take the request for one of an earlier route, which needs more.
 */
export function routeFinder<Any extends Route>(
  routes: readonly Any[],
): (method: string, path: string) => Any {
  const patterns = routes.map(({ pattern }) => foldedPath(pattern))
  return (method, path) => {
    const at = routes.findIndex(
      ({ pattern, methods }) => methods.has(method) && matchesPath(pattern, path),
    )
    const found = routes[at]
    if (found === undefined) return refuse('route-unknown', 'no route has this method and path')
    // Who writes a route for this very path, without a star, means it.
    if (found.pattern === path) return found
    const folded = foldedPath(path)
    const isOther = (route: Any, index: number): boolean =>
      !isCovered(route, found) &&
      isAnswered(method, route) &&
      matchesPath(patterns[index] ?? '', folded)
    if (!routes.slice(0, at).some(isOther)) return found
    return refuse('route-ambiguous', 'some servers take this for a request of another route')
  }
}

/** Whoever is let in by `found` may do this too. */
function isCovered(route: Route, found: Route): boolean {
  return (
    route.scopes.every((scope) => found.scopes.includes(scope)) &&
    (route.allowUntilExpiry || !found.allowUntilExpiry)
  )
}

/** Many servers answer HEAD with what they have for GET. */
function isAnswered(method: string, { methods }: Route): boolean {
  return methods.has(method) || (method === 'HEAD' && methods.has('GET'))
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('forbidden', message, { reason })
}

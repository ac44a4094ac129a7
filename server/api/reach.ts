import { CountersignError } from '../../src/errors.ts'
import type { ApiDeps } from './deps.ts'

type Resources = ApiDeps['resources']
type Resource = NonNullable<ReturnType<Resources['get']>>

/** What tokens are asked for, as an operator names it. Throws `not-found` `target-unknown`, `invalid` `scope-unknown`. */
export function reachOf(id: string, scopes: readonly string[], resources: Resources): Resource {
  const resource = resources.get(id)
  if (resource === undefined) {
    throw new CountersignError('not-found', 'there is no such resource', {
      reason: 'target-unknown',
      fix: 'name one of oauth.resources, exactly',
    })
  }
  if (scopes.length > 0 && scopes.every((scope) => resource.scopes.includes(scope))) return resource
  throw new CountersignError('invalid', `${id} has the scopes ${resource.scopes.join(' ')}`, {
    reason: 'scope-unknown',
    fix: 'name some of them, or add yours to the resource in oauth.resources',
  })
}

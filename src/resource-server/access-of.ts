import { CountersignError } from '../errors.ts'
import type { Access } from './access-token.ts'

// Nothing that a header, a body or another middleware can set.
const accesses = new WeakMap<object, Access>()

export function setAccess(request: object, access: Access): void {
  accesses.set(request, access)
}

/**
 * What the token of a request allows that came through `requireAccessToken`. Throws `unauthenticated`,
 * `access-unchecked`, for any other.
 */
export function accessOf(request: object): Access {
  return accesses.get(request) ?? unchecked()
}

export function unchecked(): never {
  throw new CountersignError('unauthenticated', 'nobody checked what this request may do', {
    reason: 'access-unchecked',
    fix: 'put requireAccessToken in front of this handler',
  })
}

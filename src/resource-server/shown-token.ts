import { CountersignError } from '../errors.ts'
import type { Access } from './access-token.ts'

// Apart from what it says, so that it is not logged along.
const tokens = new WeakMap<Access, string>()

export function keepToken(access: Access, token: string): Access {
  tokens.set(access, token)
  return access
}

/** The token that this was read from. Throws `invalid`, `access-unknown`, where no verifier made it. */
export function tokenOf(access: Access): string {
  const token = tokens.get(access)
  if (token !== undefined) return token
  throw new CountersignError('invalid', 'this is not what a verifier made of a token', {
    reason: 'access-unknown',
    fix: 'take it from accessOf(request), or from verify, as it is',
  })
}

import { CountersignError } from '../errors.ts'
import type { Access } from './access-token.ts'
import type { LetInWith, OpenRequests } from './open-requests.ts'
import type { SignedToken } from './signed-tokens.ts'

interface Shown extends LetInWith {
  readonly requests: OpenRequests
}

// Apart from what it says, so that it is not logged along.
const tokens = new WeakMap<Access, Shown>()

export function keepToken(access: Access, shown: Shown): Access {
  tokens.set(access, shown)
  return access
}

/** The token that this was read from. Throws `invalid`, `access-unknown`, where no verifier made it. */
export function tokenOf(access: Access): string {
  return shownFor(access).token
}

/** All that this token says, and by which key: what revocations are judged by. Throws as `tokenOf`. */
export function signedOf(access: Access): SignedToken {
  return shownFor(access).signed
}

/** Until when this token is taken, in milliseconds since 1970. Throws as `tokenOf`. */
export function endsAtMsOf(access: Access): number {
  return shownFor(access).endsAtMs
}

/** Whether a verifier of `createVerifier` made this, which watches what it has let in. */
export function isWatchable(access: Access): boolean {
  return tokens.has(access)
}

/**
 * Calls `onEnd` once when the token that this was read from is good no more: `unauthenticated` `token-revoked`, as soon as
 * that is known, or `token-expired`, no sooner than 30 s from now; `unavailable` `revocation-unknown` where nobody can say,
 * and the route does not allow that. The result lets go of it; call it when there is nothing left to end. Throws as `tokenOf`.
 */
export function whileGood(access: Access, onEnd: (why: CountersignError) => void): () => void {
  const shown = shownFor(access)
  return shown.requests.watch(shown, onEnd)
}

function shownFor(access: Access): Shown {
  const shown = tokens.get(access)
  if (shown !== undefined) return shown
  throw new CountersignError('invalid', 'this is not what a verifier made of a token', {
    reason: 'access-unknown',
    fix: 'take it from accessOf(request), or from verify, as it is',
  })
}
